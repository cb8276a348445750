#include "control/simulation/environment.h"

namespace causeway::simulation {

const char* NameOf(PlantedBug bug) {
  switch (bug) {
    case PlantedBug::kNone:
      return "none";
    case PlantedBug::kCommitNotDurable:
      return "commit not durable";
    case PlantedBug::kHalfABatch:
      return "half a batch";
    case PlantedBug::kFailedCommitStays:
      return "failed commit stays";
    case PlantedBug::kSequencesForgotten:
      return "sequences forgotten";
    case PlantedBug::kSuspicionIsProof:
      return "suspicion is proof";
    case PlantedBug::kStoppedFoundDead:
      return "stopped, found dead";
    case PlantedBug::kExitUnheard:
      return "exit unheard";
    case PlantedBug::kPidfdOfAnother:
      return "pidfd of another";
    case PlantedBug::kNotBacked:
      return "not backed";
    case PlantedBug::kRemovesNothing:
      return "removes nothing";
    case PlantedBug::kAlwaysTruncates:
      return "always truncates";
    case PlantedBug::kEventsOvertake:
      return "events overtake";
    case PlantedBug::kReturnsUnnamed:
      return "returns unnamed";
  }
  return "";
}

}  // namespace causeway::simulation
