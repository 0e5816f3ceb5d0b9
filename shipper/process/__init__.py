"""What every process of ours needs: signals, and the lock of the data folder."""
