#include "control/service/session_links.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace causeway {
namespace {

TEST(SessionLinks, AConnectionHasASessionFromItsWelcomeOn) {
  SessionLinks links;
  links.Greet(3, {.token = "secret"});
  EXPECT_EQ(links.SessionOf(3), std::nullopt);
  std::optional<Greeting> greeting = links.Welcome(3, 7);
  ASSERT_TRUE(greeting.has_value());
  EXPECT_EQ(greeting->token, "secret");
  EXPECT_EQ(links.SessionOf(3), 7u);
  EXPECT_EQ(links.Connections(), std::vector<uint64_t>{3});
  EXPECT_FALSE(links.Welcome(3, 7).has_value());
}

TEST(SessionLinks, AnAgentHearsOfPeersIfItSaidSo) {
  SessionLinks links;
  links.Greet(3, {.token = "secret", .hears_of_peers = true});
  links.Greet(4, {.token = "secret"});
  EXPECT_FALSE(links.HearsOfPeers(3));
  links.Welcome(3, 7);
  links.Welcome(4, 8);
  EXPECT_TRUE(links.HearsOfPeers(3));
  EXPECT_FALSE(links.HearsOfPeers(4));
  links.Drop(3);
  EXPECT_FALSE(links.HearsOfPeers(3));
}

TEST(SessionLinks, AClosedConnectionHasNone) {
  SessionLinks links;
  links.Greet(3, {.token = "secret"});
  links.Welcome(3, 7);
  EXPECT_EQ(links.Drop(3), 7u);
  EXPECT_EQ(links.Drop(3), std::nullopt);
  EXPECT_EQ(links.SessionOf(3), std::nullopt);
}

TEST(SessionLinks, AProcessWhoseConnectionClosedBeforeItsWelcomeIsNotForgotten) {
  SessionLinks links;
  links.Greet(3, {.token = "secret"});
  EXPECT_EQ(links.Drop(3), std::nullopt);
  EXPECT_TRUE(links.Welcome(3, 7).has_value());
}

TEST(SessionLinks, ARefusedProcessIsForgotten) {
  SessionLinks links;
  links.Greet(3, {.token = "secret"});
  links.Refuse(3);
  EXPECT_FALSE(links.Welcome(3, 7).has_value());
}

}  // namespace
}  // namespace causeway
