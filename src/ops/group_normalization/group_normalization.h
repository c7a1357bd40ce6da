#pragma once

#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX GroupNormalization (21) and InstanceNormalization (22): Y = (X - mean) / sqrt(variance + epsilon) *
/// scale + bias, mean and variance over the channels of one group and all positions of one sample.
///
/// Inputs: X [batch, channels, positions...], scale and bias [channels], all of one floating type.
/// Attributes: epsilon (1e-5), num_groups (GroupNormalization; an instance is a group of one channel),
/// stash_type (1: f32 inside; no other is handled). The reference sums in double.
std::span<const OpSchema> group_normalization_schemas();

}  // namespace halftone
