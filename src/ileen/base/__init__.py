"""The ground floor: money, time, ids, errors and logs. Imports nothing of ours; every room may use it."""
