#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX NonMaxSuppression (11): for each class of each picture the boxes of highest score, of which no two
/// overlap by more than a threshold.
///
/// Inputs: boxes [batch, boxes, 4], f32, as two corners (y1, x1, y2, x2) in either order or, with attribute
/// center_point_box = 1, (x centre, y centre, width, height); scores [batch, classes, boxes], f32; scalars,
/// optional: max_output_boxes_per_class, i64 (0: none), iou_threshold (0), score_threshold (none: no box is
/// too bad).
/// Output: selected_indices [selected, 3], i64: batch, class, box. How many there are is unknown until the
/// inputs are known. Of equal scores the first box goes first.
const OpSchema& non_max_suppression_schema();

}  // namespace halftone
