#include "control/simulation/simulated_calls.h"

#include <algorithm>

namespace causeway::simulation {

void SimulatedCalls::Send(SimulatedCall call) {
  environment_.Trace(call.what);
  sent_.push_back(std::move(call));
}

size_t SimulatedCalls::ready() const {
  return static_cast<size_t>(std::count_if(running_.begin(), running_.end(),
                                           [](const auto& one) { return one.fiber->ready(); }));
}

void SimulatedCalls::Begin(SimulatedCoordinator* coordinator) {
  if (sent_.empty()) return;
  const size_t chosen = environment_.choices.Below(sent_.size());
  auto call = std::make_shared<SimulatedCall>(std::move(sent_[chosen]));
  sent_.erase(sent_.begin() + static_cast<std::ptrdiff_t>(chosen));
  auto answer = std::make_shared<Answer>();
  environment_.Trace("begins: ", call->what);
  running_.push_back({.call = call,
                      .fiber = std::make_unique<Fiber>(
                          [call, answer, coordinator] { *answer = call->body(*coordinator); }),
                      .answer = answer});
  running_.back().fiber->Resume();
}

void SimulatedCalls::GoOn() {
  if (running_.empty()) return;
  const size_t first = environment_.choices.Below(running_.size());
  for (size_t i = 0; i < running_.size(); ++i) {
    const size_t chosen = (first + i) % running_.size();
    Running& one = running_[chosen];
    if (one.fiber->ready()) one.fiber->Resume();
    if (!one.fiber->ended()) continue;
    environment_.Trace("is answered: ", one.call->what);
    if (environment_.power() && !one.given_up) {
      answered_.emplace_back(std::move(*one.call), std::move(*one.answer));
    } else if (!one.given_up) {
      one.call->lost();
    }
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(chosen));
    return;
  }
}

void SimulatedCalls::Deliver() {
  if (answered_.empty()) return;
  const size_t chosen = environment_.choices.Below(answered_.size());
  const auto [call, answer] = std::move(answered_[chosen]);
  answered_.erase(answered_.begin() + static_cast<std::ptrdiff_t>(chosen));
  environment_.Trace("hears the answer: ", call.what);
  answer();
}

void SimulatedCalls::GiveUp() {
  if (running_.empty()) return;
  Running& one = running_[environment_.choices.Below(running_.size())];
  if (one.given_up) return;
  environment_.Trace("is given up: ", one.call->what);
  one.given_up = true;
  one.call->lost();
}

void SimulatedCalls::CoordinatorDied() {
  while (!running_.empty()) GoOn();
  for (const SimulatedCall& call : std::exchange(sent_, {})) call.lost();
  // Some answers were on their way already.
  for (const auto& [call, answer] : std::exchange(answered_, {})) {
    if (environment_.choices.OneIn(2)) {
      answer();
    } else {
      call.lost();
    }
  }
}

}  // namespace causeway::simulation
