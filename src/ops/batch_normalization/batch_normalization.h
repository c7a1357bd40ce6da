#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// ONNX BatchNormalization (15): Y = (X - mean) / sqrt(var + epsilon) * scale + B for each channel.
///
/// Inputs: X [N, C, ...], scale, B, input_mean, input_var [C], floating.
/// Outputs: Y; with training_mode = 1 the mean and variance (of the population) are X's own, and running_mean
/// and
///          running_var = input * momentum + own * (1 - momentum) follow.
/// Attributes: epsilon (1e-5), momentum (0.9), training_mode (0). The reference computes in double.
const OpSchema& batch_normalization_schema();

}  // namespace halftone
