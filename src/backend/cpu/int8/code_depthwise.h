#pragma once

#include "backend/cpu/int8/code_tile.h"

namespace halftone::cpu {

/// Each channel by itself: u8 codes times s8 weights, gathered tap by tap.
struct CodeDepthwise {
  const uint8_t* const* rows;  ///< [taps, row_step]: where output r reads its channels under each tap
  int64_t row_step;
  int64_t count;          ///< outputs
  int64_t taps;           ///< a multiple of CodeDepthwiseLoops::taps
  int64_t channels;       ///< in all
  const int8_t* weights;  ///< [blocks, taps / group, block, group], channels in the order of the loops
  const int32_t* bias;    ///< [blocks * block], in that order, as are the arrays of the finish
  uint8_t* out;           ///< [count, out_step], or
  float* floats;          ///< the same, where not null: multiplied, before any activation
  int64_t out_step;
};

/// The loops for one instruction set. Bit for bit the same results from each.
struct CodeDepthwiseLoops {
  int64_t block;         ///< channels that are worked on together
  int64_t taps;          ///< taps that stand side by side in the weights
  bool overlap;          ///< the last block ends with the last channel, where there are that many
  const uint8_t* order;  ///< [block]: the channel at each place; null when in order
  void (*run)(const CodeDepthwise& work, const CodeFinish& finish);
  const ActivationLoops* activations;  ///< of the same instruction set, for floats
};

extern const CodeDepthwiseLoops code_depthwise_avx512vnni;
extern const CodeDepthwiseLoops code_depthwise_avx2;
extern const CodeDepthwiseLoops code_depthwise_neondot;

}  // namespace halftone::cpu
