// SPDX-License-Identifier: Apache-2.0
#include "agent/sections.h"

#include <utility>

#include "base/hash.h"
#include "base/log.h"

namespace keymedic::agent {
namespace {

v1::CollectRequest RequestFor(const v1::PluginDescription& plugin,
                              const std::vector<v1::EventBookmark>& bookmarks) {
  v1::CollectRequest request;
  for (const auto& bookmark : bookmarks) {
    for (const auto& channel : plugin.event_channels()) {
      if (channel == bookmark.channel()) *request.add_bookmarks() = bookmark;
    }
  }
  return request;
}

Round AskAll(PluginRunner& plugins, const std::vector<v1::EventBookmark>& bookmarks,
             absl::Duration timeout) {
  Round round;
  auto list = plugins.List();
  if (!list.ok()) {
    log::Warning("AGENT_PLUGINS_UNAVAILABLE", "cannot list the plugins: {}",
                 list.status().ToString());
    return round;
  }
  round.listed = true;
  for (const auto& loaded : list->plugins()) {
    if (!loaded.has_description()) continue;
    Round::Plugin& plugin = round.plugins.emplace_back();
    plugin.name = loaded.description().name();
    auto answer =
        plugins.Collect(plugin.name, RequestFor(loaded.description(), bookmarks), timeout);
    if (!answer.ok()) {
      log::Warning("AGENT_COLLECT_FAILED", "plugin {} could not look at this machine: {}",
                   plugin.name, answer.status().ToString());
      continue;
    }
    plugin.answered = true;
    plugin.sections = std::move(*answer->mutable_sections());
    round.events.MergeFrom(answer->events());
    round.bookmarks.MergeFrom(answer->bookmarks());
  }
  return round;
}

}  // namespace

Round Look(PluginRunner& plugins, const std::vector<v1::EventBookmark>& bookmarks,
           absl::Duration timeout) {
  Round round = AskAll(plugins, bookmarks, timeout);
  round.notices = plugins.TakeNotices();
  return round;
}

Sections::Changes Sections::Merge(Round& round) {
  Changes changes;
  if (!round.listed) return changes;
  std::map<std::string, Held> next;
  for (Round::Plugin& plugin : round.plugins) {
    if (!plugin.answered) {
      for (auto& [name, held] : held_) {
        if (held.plugin == plugin.name) next.try_emplace(name, held);
      }
      continue;
    }
    for (v1::Section& section : plugin.sections) {
      section.set_sha256(Sha256(section.payload()));
      const std::string name = section.name();
      next.try_emplace(name, Held{plugin.name, std::move(section)});
    }
  }
  for (const auto& [name, held] : next) {
    const auto before = held_.find(name);
    if (before == held_.end() || before->second.section.sha256() != held.section.sha256()) {
      changes.changed.push_back(name);
    }
  }
  for (const auto& [name, held] : held_) {
    if (!next.contains(name)) changes.removed.push_back(name);
  }
  held_ = std::move(next);
  return changes;
}

const v1::Section* Sections::Find(const std::string& name) const {
  const auto found = held_.find(name);
  return found == held_.end() ? nullptr : &found->second.section;
}

std::vector<v1::SectionHash> Sections::Hashes() const {
  std::vector<v1::SectionHash> hashes;
  hashes.reserve(held_.size());
  for (const auto& [name, held] : held_) {
    v1::SectionHash& hash = hashes.emplace_back();
    hash.set_name(name);
    hash.set_sha256(held.section.sha256());
  }
  return hashes;
}

}  // namespace keymedic::agent
