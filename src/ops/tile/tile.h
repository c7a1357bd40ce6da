#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Tile (13): the input repeated repeats[a] times along each axis a.
const OpSchema& tile_schema();

}  // namespace halftone
