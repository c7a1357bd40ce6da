#pragma once

#include "backend/activation.h"
#include "backend/kernel.h"

namespace halftone {

/// The map of an activation operator, or of a GatedActivation's gate, and its attributes under ONNX's
/// defaults.
struct ActivationMap {
  Activation kind;
  float alpha, beta;
};
ActivationMap activation_map(const OpSite& site);

/// Empty when the operator maps numbers, all stored in one order, by one of these.
Refusal activation_form_refusal(const OpSite& site);
/// Empty when the operator maps f32 numbers, all stored in one order, by one of these.
Refusal activation_refusal(const OpSite& site);

}  // namespace halftone
