"""What moves under a slider, in a notebook and on a page without a kernel."""
