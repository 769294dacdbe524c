"""What the rooms say to one another over HTTP and files. JSON: amounts are integers of fen, bytes are upper-case hex."""
