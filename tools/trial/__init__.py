"""What tools/deployment.py is made of; each module says what it does."""
