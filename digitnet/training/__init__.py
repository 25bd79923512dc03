"""Long work: training, measuring, calibrating, searching."""
