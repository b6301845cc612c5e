"""One answer a file: ``realtime_ser.classify`` and the ``classify`` command, in one process, several, or on a Ray cluster.

The folder is called ``batch`` because ``realtime_ser.classify`` is the function.
"""
