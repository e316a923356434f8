"""Write the files that a scheduler needs to run the load every night."""
