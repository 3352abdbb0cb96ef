"""How fast the library is, beside what most of us learnt and beside the same step written by hand.

    make bench                                # everything; results and machine go into one JSON file
    python -m tgan_lib.bench steps --quick    # one part of it, shorter

`loops` holds the three ways to take a step, `steps` times them side by side in one process, in turns, after a
warm-up; `quality` measures what a user feels, the seconds until its samples are as good as a fixed level; `costs`
measures memory, import time and growth. Only ratios from one run mean anything on another machine.
"""
