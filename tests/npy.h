#pragma once

#include "formats/npy.h"  // IWYU pragma: export
