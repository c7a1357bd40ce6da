#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX SpaceToDepth (13): squares of attribute blocksize^2 pixels become channels: [N, C, H, W] to
/// [N, C b^2, H / b, W / b], the place in the square being the outer part of the channels.
const OpSchema& space_to_depth_schema();

}  // namespace halftone
