"""Run many worlds: see `simulation.run`."""

from simulation.run import main

if __name__ == "__main__":
    main()
