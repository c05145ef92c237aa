import socket

from cos.cli.listening import addresses_of, host_and_port, listen


def test_an_answer_is_sent_at_once_however_small() -> None:
    (listener,) = listen(addresses_of("127.0.0.1", 0), 0)
    with listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            no_delay = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert no_delay


def test_where_it_listens_is_written_as_in_a_url() -> None:
    (listener,) = listen(addresses_of("127.0.0.1", 0), 0)
    with listener:
        assert host_and_port(listener) == f"127.0.0.1:{listener.getsockname()[1]}"
