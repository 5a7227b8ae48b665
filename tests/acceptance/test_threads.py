"""Under a server of threads: many of them emit and hand work over, and nothing is lost or doubled."""

from pathlib import Path

from tests.programs import Site, check_once


def test_many_threads_emit_and_hand_work_over(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=30)
    printed = site.run("""
        import asyncio, threading
        from fireforget import FireForget, current_context
        ff = FireForget()
        ids = [[] for _ in range(8)]

        async def later(mine, n):
            await asyncio.sleep(0)
            mine.append(ff.emit("late", {"n": n}))

        def serve(mine, number):
            for n in range(100):
                with ff.context(sessionid=f"visitor-{number}") as context:
                    mine.append(ff.emit("query", {"n": n}))
                    if n % 10 == 0:
                        context.wait_until(later(mine, n))

        threads = [threading.Thread(target=serve, args=(mine, number)) for number, mine in enumerate(ids)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ff.drain_blocking() == 0
        print(*(event_id for mine in ids for event_id in mine))
    """)

    events = site.stored()
    check_once(events, printed.split())
    assert len(events) == 8 * 110
    for number in range(8):
        mine = [event for event in events if event.sessionid == f"visitor-{number}"]
        queries = sorted((event for event in mine if event.type == "query"), key=lambda event: event.id)
        assert [event.data["n"] for event in queries] == list(range(100))


def test_a_wsgi_server_of_threads_is_drained_when_it_is_stopped(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=30)
    printed = site.run("""
        import signal, sys, threading, urllib.request
        from socketserver import ThreadingMixIn
        from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
        from fireforget import FireForget
        ff = FireForget()

        def app(environ, start_response):
            event_id = ff.emit("query", {"path": environ["PATH_INFO"]})
            start_response("200 OK", [("content-type", "text/plain")])
            return [str(event_id).encode()]

        class Quiet(WSGIRequestHandler):
            def log_message(self, *arguments): pass

        class Server(ThreadingMixIn, WSGIServer): pass

        server = make_server("127.0.0.1", 0, app, Server, Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for n in range(30):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{n}") as answer:
                print(answer.read().decode(), flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.raise_signal(signal.SIGTERM)
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 30


def test_threads_that_emit_while_the_program_ends_do_no_harm(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=1, processing_lease_seconds=1)
    printed = site.run("""
        import os, threading
        from fireforget import FireForget
        ff = FireForget()
        enough, never = threading.Event(), threading.Event()

        def emit_for_ever():
            n = 0
            while True:
                os.write(1, f"{ff.emit('query', {'n': n})}\\n".encode())
                n += 1
                if n > 100:
                    enough.set()
                never.wait(0.0005)

        for _ in range(3):
            threading.Thread(target=emit_for_ever, daemon=True).start()
        enough.wait()
    """)
    site = Site(tmp_path, drain_seconds=30, journal_adopt_seconds=0.1)
    site.run("""
        from fireforget import FireForget
        from tests.waiting import wait_for
        with FireForget() as ff:
            directory = ff.settings.journal_directory
            wait_for(lambda: sum(path.is_dir() for path in directory.glob("[!.]*")) == 1)
    """)

    ids = printed.split()
    assert "None" not in ids
    assert len(ids) > 100
    check_once(site.stored(), ids)


def test_what_threads_emit_after_the_main_one_has_ended_is_delivered(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=30)
    printed = site.run("""
        import os, threading
        from concurrent.futures import ThreadPoolExecutor
        from fireforget import FireForget
        ff = FireForget()
        print(ff.emit("query", {}), flush=True)

        closed, pause = threading.Event(), threading.Event()

        def watch():
            while ff._journal is not None:
                pause.wait(0.001)
            closed.set()

        def work():
            closed.wait()
            os.write(1, f"{ff.emit('late', {})}\\n".encode())

        threading.Thread(target=work).start()
        threading.Thread(target=watch).start()
        ThreadPoolExecutor().submit(work)
    """)

    check_once(site.stored(), printed.split())
    assert len(site.stored()) == 3
