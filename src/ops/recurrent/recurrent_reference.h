#pragma once

#include "ops/op_schema.h"

namespace halftone {

/// The reference of LSTM, GRU and RNN (recurrent.h).
void recurrent_reference(const OpSite& site, std::span<const Operand> inputs,
                         std::span<const MutableTensorView> outputs);

}  // namespace halftone
