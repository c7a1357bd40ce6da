#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: the gradients of a loss with respect to Q, K and V of ONNX Attention without a past,
/// given that with respect to its output Y. With P the probabilities and t = c tanh(s / c) the capped score
/// of s = scale Q K^T (t = s without a cap): dV = P^T dY, dP = dY V^T, dt = P (dP - sum(P dP)), ds = dt (1 -
/// (t / c)^2), dQ = scale ds K, dK = scale ds^T Q; those of a KV head add up over its query heads. A query
/// that sees no key has no part in any of them.
///
/// Inputs: gradient, of Y's shape; Q, K, V and attn_mask as Attention has them, and Attention's attributes.
/// Outputs: dQ, dK, dV of the shapes of Q, K, V. Everything floating is f32. The reference computes in
/// double.
const OpSchema& attention_gradient_schema();

}  // namespace halftone
