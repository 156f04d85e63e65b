// Commands that load and unload: the store's work. Their answers are ours to write.

#include "vici/server_impl.h"

namespace caponier::vici {

void Server::Impl::load(ClientId id, const Message& request, base::Instant now,
                        Store::Answer (Store::*how)(const Message&, base::Instant)) {
  clients_.at(id).has_loaded = true;
  answer(id, (host_.store().*how)(request, now));
}

void Server::Impl::load_conn(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_conn);
}
void Server::Impl::unload_conn(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::unload_conn);
}
void Server::Impl::load_cert(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_cert);
}
void Server::Impl::load_key(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_key);
}
void Server::Impl::unload_key(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::unload_key);
}
void Server::Impl::load_token(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_token);
}
void Server::Impl::load_shared(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_shared);
}
void Server::Impl::unload_shared(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::unload_shared);
}
void Server::Impl::load_authority(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_authority);
}
void Server::Impl::unload_authority(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::unload_authority);
}
void Server::Impl::load_pool(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::load_pool);
}
void Server::Impl::unload_pool(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::unload_pool);
}
void Server::Impl::flush_certs(ClientId id, const Message& request, base::Instant now) {
  load(id, request, now, &Store::flush_certs);
}

void Server::Impl::clear_creds(ClientId id, const Message&, base::Instant now) {
  clients_.at(id).has_loaded = true;
  answer(id, host_.store().clear_creds(now));
}

void Server::Impl::get_conns(ClientId id, const Message&, base::Instant) {
  respond(id, Message{}.add_list("conns", host_.store().conns()));
}
void Server::Impl::get_keys(ClientId id, const Message&, base::Instant) {
  respond(id, Message{}.add_list("keys", host_.store().keys()));
}
void Server::Impl::get_shared(ClientId id, const Message&, base::Instant) {
  respond(id, Message{}.add_list("keys", host_.store().shared()));
}
void Server::Impl::get_authorities(ClientId id, const Message&, base::Instant) {
  respond(id, Message{}.add_list("authorities", host_.store().authorities()));
}

}  // namespace caponier::vici
