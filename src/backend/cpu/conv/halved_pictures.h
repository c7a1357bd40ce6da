#pragma once

#include "backend/cpu/conv/conv_int8_site.h"

namespace halftone::cpu {

/// A window of 5 or 6 places and stride 2 along two axes, over pictures of a few channels, is one of 3 places
/// and stride 1 over pictures of half as many rows and columns, whose places hold the channels of 2 x 2.

inline constexpr int64_t kHalvedPlace = 16;  ///< bytes of a place

/// Whether `extent` has such a window, and channels that fit a place.
bool halves_pictures(const ConvExtent& extent);

/// The same layer over halved pictures: channel (2 dy + dx) C + c is channel c of the place dy below and dx
/// to the right.
Int8ConvLayer halved_layer(Int8ConvLayer layer);

/// Bytes of the halved pictures, with their padding, that `site` needs: [N, OH + 2, OW + 2, kHalvedPlace].
size_t halved_bytes(const OpSite& site);
/// Makes them; `padding` is the code of what lies outside. Places hold any bytes behind their channels.
void halve_pictures(const KernelRun& run, uint8_t padding, uint8_t* to);

}  // namespace halftone::cpu
