#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// Our own operator: Y = act(gate) * up, elementwise, the heart of a gated MLP. gate and up have one floating
/// type and shape. Attribute activation: "silu" | "gelu" | "gelu_tanh" (activation.h).
const OpSchema& gated_activation_schema();

enum class GateKind { silu, gelu, gelu_tanh };
/// The attribute activation. InputError when it is none of the three.
GateKind gate_kind(const OpSite& site);

}  // namespace halftone
