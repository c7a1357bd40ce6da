#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX Slice (13): data[start:end:step] along some axes; negative indices count from the back, those beyond
/// an end are cut to it. An axis of symbolic size stays whole, or its new size is unknown.
const OpSchema& slice_schema();

/// What a Slice takes of one axis: `count` elements from `start` on, `step` apart.
struct SliceAxis {
  int64_t start = 0, step = 1, count = 0;
};
/// By axis, for an input whose axes that are cut have fixed sizes, when it is known where to cut.
std::vector<SliceAxis> slice_axes(const OpSite& site);

}  // namespace halftone
