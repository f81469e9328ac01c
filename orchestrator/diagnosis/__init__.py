"""What `ccoe doctor` looks at."""
