"""Is this picture a re-creation of that one? Two descriptors in, evidence out.

A copy has a cause that can be repeated. So the better picture is put through what the other file says was done to it:
its dimensions, its orientation, its quantisation tables. What is left after subtracting is the difference, judged by
the worst tile. Doubt means `look-alike`, which nothing acts on.

In the order of a pair: `cascade` asks the questions, cheapest first; `seen` knows how a photo looked when it was read,
and `sketch` is a side in colours at an eighth of its size; `glance` compares two and refuses; `exposure` tells two
shots by their grain; `resaved` knows what was only stored again by its coded bytes; `picture` is a decoded side;
`attempts` chooses among the `making`s of each from the other, in the `order` that the files speak for (`requantised`:
coefficients that keep another file's steps, `formerly`: those of the JPEG that a lossless file was, `detail`: what a
codec left out);
`recreate` finds a recipe and runs it (`scaling`, `gd`, `sampler`, `fitting`, `finishing`, `generations`), `hidden`
stores what was made again for a codec that hides what it did (`recoding`, `recoded`);
`residual` subtracts, `quantised` tells what rounding explains, `overall` what moved everywhere, `outliers` what stands
out (`ranks`: percentiles), `judge` decides: with `paletted` and `octrees` for 256 colours or fewer; `approached` asks
once more where nothing was made exactly: `halved` what stands out at half the size, `moved` whether it lies beside.
`comparators` stand apart: other scripts' numbers.

Runs in a child without a file system: call `warm` before it goes away.
"""

from twinwatch.proof.cascade import prove, remember
from twinwatch.proof.warming import warm

__all__ = ["prove", "remember", "warm"]
