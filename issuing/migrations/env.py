from backoffice.migration import run_in_environment

run_in_environment()
