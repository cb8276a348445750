#include "agents/wire.h"

namespace causeway {

void ToWire(const StreamOptions& options, v1::StreamOptions& wire) {
  switch (options.durability) {
    case Durability::kDefault:
      break;
    case Durability::kMemory:
      wire.set_durability(v1::DURABILITY_MEMORY);
      break;
    case Durability::kCached:
      wire.set_durability(v1::DURABILITY_CACHED);
      break;
  }
  wire.set_segment_bytes(options.segment_bytes);
  wire.set_capacity_bytes(options.capacity_bytes);
  wire.set_max_frame_bytes(options.max_frame_bytes);
  wire.set_timestamps(options.timestamps);
}

StreamOptions FromWire(const v1::StreamOptions& wire) {
  StreamOptions options;
  if (wire.durability() == v1::DURABILITY_MEMORY) options.durability = Durability::kMemory;
  if (wire.durability() == v1::DURABILITY_CACHED) options.durability = Durability::kCached;
  options.segment_bytes = wire.segment_bytes();
  options.capacity_bytes = wire.capacity_bytes();
  options.max_frame_bytes = wire.max_frame_bytes();
  options.timestamps = wire.timestamps();
  return options;
}

v1::ReaderPolicy ToWire(ReaderPolicy policy) {
  switch (policy) {
    case ReaderPolicy::kDrop:
      return v1::READER_POLICY_DROP;
    case ReaderPolicy::kEvict:
      return v1::READER_POLICY_EVICT;
    case ReaderPolicy::kBlock:
      break;
  }
  return v1::READER_POLICY_BLOCK;
}

ReaderPolicy FromWire(v1::ReaderPolicy wire) {
  switch (wire) {
    case v1::READER_POLICY_DROP:
      return ReaderPolicy::kDrop;
    case v1::READER_POLICY_EVICT:
      return ReaderPolicy::kEvict;
    default:
      return ReaderPolicy::kBlock;
  }
}

}  // namespace causeway
