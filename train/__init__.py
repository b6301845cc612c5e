"""Train, evaluate and export the models that realtime_ser runs."""
