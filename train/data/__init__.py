"""The corpora as the training reads them."""
