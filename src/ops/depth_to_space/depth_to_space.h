#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX DepthToSpace (13): blocks of attribute blocksize^2 channels become squares of pixels: [N, C, H, W] to
/// [N, C / b^2, H b, W b]. Attribute mode: the block is the outer part of the channels ("DCR") or the inner
/// ("CRD").
const OpSchema& depth_to_space_schema();

}  // namespace halftone
