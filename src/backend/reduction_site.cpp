#include "backend/reduction_site.h"

#include <algorithm>

#include "ops/reduction/reduction.h"

namespace halftone {

std::vector<bool> lying_reduced_axes(const OpSite& site) {
  std::vector<bool> goes = *reduced_axes(site);
  if (site.inputs[0].storage.order == Storage::Order::channels_last)
    std::rotate(goes.begin() + 1, goes.begin() + 2, goes.end());
  return goes;
}

Refusal reduction_order_refusal(const OpSite& site) {
  const Storage in = site.inputs[0].storage, out = site.storage_of_output(0);
  const auto goes = reduced_axes(site);
  if (!goes) return "axes are computed";
  if (in.codes || out.codes) return "values are codes";
  const bool same_bytes =
      in.order == Storage::Order::channels_last &&
      ((*goes)[1] || std::all_of(goes->begin() + 2, goes->end(), [](bool place_goes) { return place_goes; }));
  return in == out || (out.plain() && same_bytes) ? Refusal{} : "the output lies in another order";
}

}  // namespace halftone
