#pragma once

#include <map>
#include <string>

#include "quant/algo/int8_static/channel_classes.h"
#include "quant/algo/int8_static/channel_spread.h"

namespace halftone {

/// The factor that each class of channels is divided by; class 0 keeps 1.
///
/// Classes that meet in one value share its scale. With reach(c) = max(high, r |low|) of the range of class c
/// and R the largest reach of them (where some channels must stay as they are: theirs), the factor is
///   f(c) = (reach(c) / R)^alpha, at least 1/256.
/// r leaves the least noise of codes beside each channel's own range. alpha, of 0, 1/4 .. 1, is the least
/// that comes within 2 dB of the least noise behind the convolutions that read the values,
///   sum over outputs o, channels c of  w(o,c)^2 f(c)^2 s^2 / 12  +  t(o)^2 / 12 var(c) / f(c)^2
/// beside w(o,c)^2 var(c), where s = R (1 + 1/r) / 255 is the step of the codes and t(o) = max |w(o,c)
/// f(c)| / 127 that of the weights of an output: larger channels have finer codes, and coarser weights. (What
/// weights do to the mean is taken off the bias.)
std::map<int32_t, float> choose_even_factors(const Graph& graph, const ChannelClasses& classes,
                                             const std::map<std::string, std::vector<ChannelSpread>>& seen);

}  // namespace halftone
