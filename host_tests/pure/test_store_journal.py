"""The decision journal: durable, chained, bounded, and honest about damage."""

import os

import chain

import support
from store import journal, log
from store.files import Fault, Full
from store.journal import END, GRANT, KEPT, NOTE, REFUSAL, REFUSED, VOID, Journal
from support import fails, read, write

KEY = bytes(range(32))


def new(**sizes):
    folder = support.folder() + "/journal"
    journal.make(folder)
    return folder, Journal(folder, KEY, **sizes)


def kept(book, start=1):
    return list(book.read(start))


def exported(book, *arguments):
    return b"".join(book.export(*arguments))


def segments(folder, stream="kept"):
    return [folder + "/" + stream + "/" + name for name in sorted(os.listdir(folder + "/" + stream)) if len(name) == 8]


def body(number):
    """Bodies of all sizes: some wait as tails in one to four parts, some go straight to the segment."""
    return bytes([number % 251]) * (0, 1, 76, 77, 300, 436, 437, 1300, 4608)[number % 9]


def kind_for(data):
    return VOID if len(data) <= 436 else GRANT


def test_what_was_appended_is_read_back_in_order_also_after_every_restart():
    folder, book = new()
    expected = []
    for number in range(40):
        data = body(number)
        assert book.append(kind_for(data), data) == number + 1
        expected.append((number + 1, kind_for(data), data))
        assert kept(Journal(folder, KEY)) == expected
    assert kept(book) == expected and kept(book, 20) == expected[19:]
    assert book.damage == [] and book.torn == 0
    records, problems = chain.verify(exported(book), KEY)
    assert problems == [] and [(r[1], r[2], r[3]) for r in records] == expected


def test_refusals_are_a_stream_of_their_own():
    folder, book = new()
    book.append(GRANT, b"g")
    assert [book.refuse(b"r%d" % n) for n in range(20)] == list(range(1, 21))
    book.refuse(b"note", NOTE)
    book.append(END, b"e")
    again = Journal(folder, KEY)
    assert kept(again) == [(1, GRANT, b"g"), (2, END, b"e")]
    refused = list(again.read(1, REFUSED))
    assert refused[0] == (1, REFUSAL, b"r0") and refused[-1] == (21, NOTE, b"note") and len(refused) == 21
    assert again.last == (2, 21) and again.first == (1, 1)


def test_a_tidied_journal_holds_the_same_and_its_next_refusal_moves_nothing():
    folder, book = new()
    told = []
    for number in range(60):
        data = bytes([number]) * (60, 120, 300)[number // 20]
        sizes = book._refused._sizes[:]
        book.refuse(data)
        assert book._refused._sizes == sizes or number in (20, 40), "a longer one than those before may have to"
        book.tidy()
        told.append(data)
        assert [entry[2] for entry in book.read(1, REFUSED)] == told
    assert len(book._refused._sizes) == 1 and book._refused._sizes[0] > sum([len(data) for data in told[:50]])
    assert [entry[2] for entry in Journal(folder, KEY).read(1, REFUSED)] == told and book.damage == []
    assert chain.verify(exported(book), KEY)[1] == []


def test_the_ring_deletes_its_oldest_and_the_chain_counts_them():
    folder, book = new(ring=8192)
    for number in range(120):
        book.refuse(b"%100d" % number)
    again = Journal(folder, KEY, ring=8192)
    refused = list(again.read(1, REFUSED))
    assert refused[-1] == (120, REFUSAL, b"%100d" % 119)
    assert 30 < len(refused) < 100 and refused[0][0] == again.first[1] == 121 - len(refused)
    assert sum(os.stat(path)[6] for path in segments(folder, "refused")) <= 8192
    records, problems = chain.verify(exported(again), KEY)
    assert problems == [] and len(records) == len(refused)


def test_refusals_never_take_the_room_of_grants():
    _folder, book = new(size=65536, ring=8192)
    before = book.room(30000)
    for number in range(150):
        book.refuse(b"x" * 60)
    assert before and book.room(30000)


def test_a_full_journal_refuses_grants_but_takes_their_ends():
    folder, book = new(size=65536)
    granted = []
    while book.room(1344):
        granted.append(book.append(GRANT, b"t" * 1344))
    assert fails(Full, book.append, GRANT, b"t" * 1344)
    assert len(granted) > 30
    for number in range(34):
        book.append(END if number % 2 else VOID, b"e" * 436)
    while not fails(Full, book.append, END, b"e" * 436):
        pass
    again = Journal(folder, KEY, size=65536)
    assert [r[0] for r in kept(again)][: len(granted)] == granted
    assert chain.verify(exported(again), KEY)[1] == []
    assert sum(os.stat(path)[6] for path in segments(folder)) <= 65536


def test_collected_room_is_used_again_and_nothing_else_is_deleted():
    folder, book = new(size=65536)
    while book.room(1300):
        book.append(GRANT, b"t" * 1300)
    book.append(VOID, b"v")
    last = book.last[0]
    before = kept(book)
    book.collected(10)
    assert kept(book) == before[book.first[0] - 1 :] and 1 < book.first[0] <= 11
    assert chain.verify(exported(book), KEY)[1] == []
    book.collected(last + 1000)
    assert kept(book) == [] and book.first[0] == last + 1
    again = Journal(folder, KEY, size=65536)
    assert kept(again) == [] and again.damage == [] and again.room(30000)
    assert again.append(GRANT, b"next") == last + 1
    assert kept(Journal(folder, KEY)) == [(last + 1, GRANT, b"next")]
    again.collected(last + 1)
    again.collected(last + 1)
    assert Journal(folder, KEY).last[0] == last + 1


def test_an_export_continues_the_one_before():
    _folder, book = new()
    for number in range(12):
        book.append(GRANT, b"t" * (50 * number))
        book.refuse(b"r")
    first, problems = chain.verify(exported(book), KEY)
    assert problems == []
    after = {}
    for record in first:
        after[record[0]] = (record[1], record[5])
    assert after[KEPT][0] == 12 and after[REFUSED][0] == 12
    book.collected(12)
    book.append(GRANT, b"new")
    more = exported(book, 13, 13, b"nonce")
    records, problems = chain.verify(more, KEY, b"nonce", after)
    assert problems == [] and [r[3] for r in records] == [b"new"]
    assert chain.verify(more, KEY, b"other", after)[1] == ["another nonce"]
    assert chain.verify(more, KEY, b"nonce", {KEPT: (12, bytes(16))})[1] != []
    assert chain.verify(more, KEY, b"nonce", {KEPT: (11, after[KEPT][1])})[1] != []


def sample():
    """The parts of an export: 6 kept, 4 refused, trailer."""
    _, book = new()
    for number in range(6):
        book.append(GRANT, b"ticket %d" % number * (1 + 90 * (number % 2)))
    for number in range(4):
        book.refuse(b"no %d" % number)
    parts = list(book.export())
    trailer = b"".join(parts[10:])
    return parts[:10] + [trailer]


def test_a_removed_or_repeated_record_is_found():
    parts = sample()
    assert chain.verify(b"".join(parts), KEY)[1] == []
    for index in range(len(parts)):
        assert chain.verify(b"".join(parts[:index] + parts[index + 1 :]), KEY)[1] != []
        assert chain.verify(b"".join(parts[: index + 1] + parts[index:]), KEY)[1] != []
        assert chain.verify(b"".join(parts[:index]), KEY)[1] != []
        assert chain.verify(b"".join(parts[index + 1 :]), KEY)[1] != [] or not index


def test_records_in_another_order_are_found():
    parts = sample()
    for one in range(len(parts)):
        for other in range(one):
            mixed = list(parts)
            mixed[one], mixed[other] = mixed[other], mixed[one]
            assert chain.verify(b"".join(mixed), KEY)[1] != []


def test_every_changed_bit_is_found():
    whole = b"".join(sample())
    for at in range(0, len(whole), support.count(7, 1)):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        assert chain.verify(bytes(broken), KEY)[1] != []


def test_a_record_changed_with_its_crc_made_right_is_found_by_its_code():
    from store import records

    parts = sample()
    data = parts[2]
    changed = records.seal((data[:30] + bytes([data[30] ^ 1]) + data[31:-4],))
    assert records.whole(b"".join(changed)) is not None
    assert chain.verify(b"".join(parts[:2] + list(changed) + parts[3:]), KEY)[1] != []


def test_another_key_is_found_and_junk_is_no_journal():
    whole = b"".join(sample())
    assert chain.verify(whole, bytes(32))[1] != []
    for junk in (b"", b"x", b"\xb5", b"\xb5\x4a" * 40, bytes(200), whole[:100] + b"junk" + whole[100:]):
        assert chain.verify(junk, KEY)[1] != []


def test_a_corrupt_record_is_skipped_and_reported_and_its_neighbours_are_kept():
    folder, book = new()
    for number in range(5):
        book.append(GRANT, b"%d" % number * 600)
    path = segments(folder)[0]
    good = read(path)
    size = 600 + log.OVERHEAD
    for at in range(36 + size, 36 + 2 * size, support.count(13, 1)):
        broken = bytearray(good)
        broken[at] ^= 0x21
        write(path, broken)
        again = Journal(folder, KEY)
        assert [r[0] for r in kept(again)] == [1, 3, 4, 5]
        assert len(again.damage) == 1 and path in again.damage[0]
        _, problems = chain.verify(exported(again), KEY)
        assert problems == ["stream 1: 2 expected, 3 found"]
    again.append(GRANT, b"more")
    assert [r[0] for r in kept(Journal(folder, KEY))] == [1, 3, 4, 5, 6]


def test_damage_to_an_older_segment_is_found_by_the_check():
    folder, book = new(size=65536)
    for number in range(30):
        book.append(GRANT, b"t" * 1000)
    path = segments(folder)[1]
    broken = bytearray(read(path))
    broken[len(broken) // 2] ^= 1
    write(path, broken)
    again = Journal(folder, KEY, size=65536)
    for _ in again.check():
        pass
    assert len(again.damage) == 1 and path in again.damage[0] and len(kept(again)) == 29
    os.remove(path)
    again = Journal(folder, KEY, size=65536)
    for _ in again.check():
        pass
    assert len(again.damage) == 1 and len(kept(again)) > 15


def test_an_undamaged_journal_passes_its_check():
    folder, book = new(size=65536, ring=8192)
    for number in range(60):
        book.append(kind_for(body(number)), body(number)) if book.room(5000) else book.collected(number)
        book.refuse(body(number)[:436])
    for now in (book, Journal(folder, KEY, size=65536, ring=8192)):
        for _ in now.check():
            pass
        assert now.damage == []


def test_an_incomplete_last_record_is_no_damage_and_appending_goes_on():
    folder, book = new()
    book.append(GRANT, b"a" * 600)
    before = len(read(segments(folder)[0]))
    book.append(GRANT, b"b" * 600)
    good = read(segments(folder)[0])
    for length in range(before, len(good), 29):
        folder, book = new()
        write(segments(folder)[0], good[:length])
        again = Journal(folder, KEY)
        assert again.damage == [] and again.torn == (length > before)
        assert [r[0] for r in kept(again)] == [1]
        assert again.append(GRANT, b"c" * 600) == 2
        last = Journal(folder, KEY)
        assert [r[2][:1] for r in kept(last)] == [b"a", b"c"] and last.damage == []
        assert chain.verify(exported(last), KEY)[1] == []


def test_a_tail_of_which_a_cut_left_some_parts_never_was():
    folder, book = new()
    book.append(VOID, b"first")
    book.append(VOID, b"x" * 400)
    for name in ("t4", "t3"):
        os.remove(folder + "/kept/" + name)
        again = Journal(folder, KEY)
        assert kept(again) == [(1, VOID, b"first")] and again.damage == [] and again.torn == 1
    assert again.append(VOID, b"second") == 2
    assert [r[2] for r in kept(Journal(folder, KEY))] == [b"first", b"second"]


def test_a_damaged_tail_is_reported():
    folder, book = new()
    for number in range(3):
        book.append(VOID, b"%d" % number * 76)
    path = folder + "/kept/t1"
    broken = bytearray(read(path))
    broken[60] ^= 1
    write(path, broken)
    again = Journal(folder, KEY)
    assert len(again.damage) == 2 and [r[0] for r in kept(again)] == [1, 3]


def test_lost_records_are_noticed_from_the_other_stream():
    folder, book = new()
    for number in range(3):
        book.append(GRANT, b"t" * 600)
    book.refuse(b"no")
    for path in segments(folder):
        os.remove(path)
    assert "journal: kept records after 0 lost" in Journal(folder, KEY).damage


def test_a_missing_journal_is_damage_and_making_it_again_keeps_what_is_there():
    folder = support.folder() + "/journal"
    assert len(Journal(folder, KEY).damage) == 2
    journal.make(folder)
    book = Journal(folder, KEY)
    book.append(GRANT, b"one")
    book.append(GRANT, b"t" * 1000)
    journal.make(folder)
    assert Journal(folder, KEY).damage == [] and len(kept(Journal(folder, KEY))) == 2


def test_bodies_that_are_too_long_are_refused_and_leave_no_trace():
    folder, book = new()
    assert fails(Fault, book.append, GRANT, bytes(4609))
    assert fails(Fault, book.append, END, bytes(437))
    assert fails(Fault, book.refuse, bytes(437))
    assert fails(Fault, lambda: list(book.export(1, 1, bytes(65))))
    assert kept(Journal(folder, KEY)) == []


def test_after_a_failed_write_the_flash_is_asked_what_it_holds():
    folder, book = new()
    book.append(GRANT, b"t" * 600)
    path = segments(folder)[0]
    data = read(path)
    os.remove(path)
    os.mkdir(path)
    assert fails(Fault, book.append, GRANT, b"u" * 600)
    os.rmdir(path)
    write(path, data)
    assert book.append(GRANT, b"v" * 600) == 2
    assert [r[2][:1] for r in kept(Journal(folder, KEY))] == [b"t", b"v"]


def test_records_appended_while_reading_do_not_disturb():
    _folder, book = new()
    for number in range(6):
        book.append(VOID, b"%d" % number)
    seen = []
    for sequence, _, data in book.read():
        seen.append((sequence, data))
        book.append(GRANT, b"g" * 500)
        book.append(VOID, b"v" * 300)
    assert seen == [(n + 1, b"%d" % n) for n in range(6)]
