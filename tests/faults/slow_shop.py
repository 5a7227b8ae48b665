"""The shop with a queue that never answers: its drain lasts as long as it may."""

from itertools import repeat

from fireforget import FireForget
from fireforget._backends import Adapters
from tests.faults import shop
from tests.faults.adapters import faulty_queue, stuck

shop.ff = FireForget(queue=faulty_queue(Adapters(shop.ff.settings).queue(), repeat(stuck)))
app = shop.ff.wrap(shop.staged)
