"""Measurements of the engine beside its peers, in one sitting."""
