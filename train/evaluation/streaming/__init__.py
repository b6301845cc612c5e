"""A stream, not clips: how a model does in conversation, in bad conditions, and where nobody speaks; and what settings suit it.

``sounds`` are no speech, ``conversation`` joins clips into streams whose truth is known, ``conditions`` spoil audio,
``scores`` compares what the engine said with the truth, ``robustness`` scores clips under each condition, ``report`` writes
it all down, ``tune`` tries settings.
"""
