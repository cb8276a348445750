// What a table has to know of its rows: their key, their name in the store, and whether they are in
// the store at all.

#ifndef CAUSEWAY_CONTROL_STATE_ROW_H_
#define CAUSEWAY_CONTROL_STATE_ROW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "control/state/records.pb.h"
#include "control/store/record_key.h"

namespace causeway {

// A key is an id, or a pair of ids.
using PairKey = std::pair<uint64_t, uint64_t>;

inline std::string EncodeKey(uint64_t key) { return RecordKey(key); }
inline std::string EncodeKey(const PairKey& key) { return RecordKey(key.first, key.second); }

// Specialized below for every message of records.proto that is a row.
template <typename Row>
struct RowTraits;

template <>
struct RowTraits<records::Meta> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "meta";
  static Key KeyOf(const records::Meta&) { return 0; }
  static bool InStore(const records::Meta&) { return true; }
};

template <>
struct RowTraits<records::Stream> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "stream";
  static Key KeyOf(const records::Stream& row) { return row.stream_id(); }
  static bool InStore(const records::Stream&) { return true; }
};

template <>
struct RowTraits<records::Session> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "session";
  static Key KeyOf(const records::Session& row) { return row.session_id(); }
  static bool InStore(const records::Session&) { return true; }
};

template <>
struct RowTraits<records::File> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "file";
  static Key KeyOf(const records::File& row) { return row.file_id(); }
  static bool InStore(const records::File& row) {
    return row.kind() != records::File::KIND_BROUGHT;
  }
};

template <>
struct RowTraits<records::Extent> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "extent";
  static Key KeyOf(const records::Extent& row) { return row.extent_id(); }
  static bool InStore(const records::Extent& row) {
    return row.purpose() != records::Extent::PURPOSE_SPLIT_SOURCE &&
           row.purpose() != records::Extent::PURPOSE_SPLIT_TARGET;
  }
};

template <>
struct RowTraits<records::Lane> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "lane";
  static Key KeyOf(const records::Lane& row) { return row.lane_id(); }
  static bool InStore(const records::Lane&) { return true; }
};

template <>
struct RowTraits<records::Reader> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "reader";
  static Key KeyOf(const records::Reader& row) { return row.reader_id(); }
  static bool InStore(const records::Reader&) { return true; }
};

template <>
struct RowTraits<records::Cursor> {
  using Key = PairKey;
  static constexpr std::string_view kTable = "cursor";
  static Key KeyOf(const records::Cursor& row) { return {row.reader_id(), row.lane_id()}; }
  static bool InStore(const records::Cursor&) { return true; }
};

template <>
struct RowTraits<records::Split> {
  using Key = uint64_t;
  static constexpr std::string_view kTable = "split";
  static Key KeyOf(const records::Split& row) { return row.split_id(); }
  static bool InStore(const records::Split&) { return false; }
};

template <>
struct RowTraits<records::SplitExtent> {
  using Key = PairKey;
  static constexpr std::string_view kTable = "split_extent";
  static Key KeyOf(const records::SplitExtent& row) { return {row.split_id(), row.index()}; }
  static bool InStore(const records::SplitExtent&) { return false; }
};

template <>
struct RowTraits<records::SplitWorker> {
  using Key = PairKey;
  static constexpr std::string_view kTable = "split_worker";
  static Key KeyOf(const records::SplitWorker& row) { return {row.split_id(), row.session_id()}; }
  static bool InStore(const records::SplitWorker&) { return false; }
};

}  // namespace causeway

#endif  // CAUSEWAY_CONTROL_STATE_ROW_H_
