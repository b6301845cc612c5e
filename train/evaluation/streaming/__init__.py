"""Evaluation on streams: conversation, bad conditions, sounds without speech, and the choice of settings.

``sounds`` makes sounds without speech, ``conversation`` joins clips into streams with known truth, ``conditions`` degrades
audio, ``scores`` compares the engine's output with the truth, ``robustness`` scores clips under each condition, ``report``
writes the results, ``tune`` tries settings.
"""
