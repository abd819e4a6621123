"""What the command line and the server both answer: plain arguments in, plain data out."""
