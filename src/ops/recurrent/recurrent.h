#pragma once

#include <array>
#include <span>

#include "ops/op_schema.h"

namespace halftone {

/// ONNX LSTM, GRU and RNN (22): over `steps` steps of X, in up to two directions D of `hidden` cells each,
///
///   LSTM  i, o, f = s(gates + P c), c = f c' + i tanh(gate), h = o tanh(c)   (o sees the new c)
///   GRU   z, r = s(gates), n = tanh(gate of r h'), h = (1 - z) n + z h'
///   RNN   h = tanh(gate)
///
/// with h', c' of the step before, s the sigmoid, and a gate being W x + R h' + Wb + Rb. Inputs X [T, N, I],
/// W [D, G hidden, I] and R [D, G hidden, hidden] with the gates in the order above, B [D, 2 G hidden],
/// sequence_lens [N] (i32), initial_h [D, N, hidden]; LSTM also initial_c and P [D, 3 hidden]. Outputs Y [T,
/// D, N, hidden], Y_h and Y_c [D, N, hidden]; N stands before T and D where attribute layout is 1. Attributes
/// direction ("forward"), hidden_size, activations (by direction, separated by commas: Sigmoid, Tanh, Relu;
/// others are refused), clip, input_forget, linear_before_reset (GRU: r scales R h' + Rb, not h'). Beyond its
/// length a sequence's Y is 0. References sum in double and keep h and c in f32 from step to step.
std::span<const OpSchema> recurrent_schemas();

enum class Recurrence { lstm, gru, rnn };
enum class CellFunction { sigmoid, tanh, relu };

/// One recurrent layer as its site spells it.
struct RecurrentLayer {
  Recurrence kind;
  int64_t steps, batch, inputs, hidden;  ///< steps and batch may be symbolic
  int64_t directions;
  bool starts_reversed;  ///< the first direction goes from the last step to the first
  bool batch_first;
  float clip;  ///< of what activations take; infinite where there is none
  bool couples_input, resets_after;
  std::array<std::array<CellFunction, 3>, 2> functions;  ///< by direction: gates, candidate, output

  int64_t gates() const { return kind == Recurrence::lstm ? 4 : kind == Recurrence::gru ? 3 : 1; }
  bool reverses(int64_t direction) const { return starts_reversed != (direction == 1); }
};

/// InputError where shapes or attributes do not fit, UnsupportedError for other activations.
RecurrentLayer recurrent_layer(const OpSite& site);

/// Inputs by their places.
struct RecurrentSlot {
  enum : size_t { sequence, weights, recurrence, bias, lengths, hidden, cell, peepholes, count };
};

}  // namespace halftone
