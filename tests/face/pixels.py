#!/usr/bin/env python3
"""pixels.py OUT IMAGE...: what PIL decodes, as OUT/NAME.ppm: three channels, alpha dropped, EXIF orientation left alone."""
import os, sys
from PIL import Image
for path in sys.argv[2:]:
    Image.open(path).convert("RGB").save(os.path.join(sys.argv[1], os.path.basename(path) + ".ppm"))
