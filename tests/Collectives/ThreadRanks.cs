using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Tests.Collectives;

/// <summary>Ranks that are threads of this process, for what does not depend on how bytes travel.</summary>
internal sealed class ThreadRanks : IDisposable
{
    private readonly Barrier _meeting;
    private readonly byte[][] _given;
    private readonly Dictionary<(int From, int To), Queue<byte[]>> _sent = [];

    private ThreadRanks(int size) => (_meeting, _given) = (new Barrier(size), new byte[size][]);

    /// <summary>Runs the same work on so many ranks; their results in order.</summary>
    public static T[] Run<T>(int size, Func<Communicator, T> work)
    {
        using var ranks = new ThreadRanks(size);
        var results = new T[size];
        var faults = new Exception?[size];
        Thread[] threads = [.. Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            try
            {
                results[rank] = work(new Member(ranks, rank, size));
            }
            catch (Exception e)
            {
                faults[rank] = e;
                ranks._meeting.RemoveParticipant();
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        if (faults.OfType<Exception>().FirstOrDefault() is { } fault) throw fault;
        return results;
    }

    public void Dispose() => _meeting.Dispose();

    private sealed unsafe class Member(ThreadRanks ranks, int rank, int size) : Communicator
    {
        public override int Rank => rank;

        public override int Size => size;

        public override string Description => "threads";

        internal override bool Reaches(Backend backend) => backend.IsHost;

        public override void Barrier() => ranks._meeting.SignalAndWait();

        public override void Broadcast(Span<byte> bytes, int root)
        {
            if (rank == root) ranks._given[root] = bytes.ToArray();
            Barrier();
            ranks._given[root].CopyTo(bytes);
            if (rank == root) BytesSent += (long)bytes.Length * (size - 1);
            Barrier();
        }

        public override void AllGather(ReadOnlySpan<byte> own, Span<byte> all)
        {
            ranks._given[rank] = own.ToArray();
            Barrier();
            for (int r = 0; r < size; r++) ranks._given[r].CopyTo(all.Slice(r * own.Length, own.Length));
            BytesSent += (long)own.Length * (size - 1);
            Barrier();
        }

        internal override void Exchange(ReadOnlySpan<Transfer> transfers)
        {
            foreach (Transfer t in transfers)
            {
                if (!t.IsSent) continue;
                lock (ranks._sent)
                {
                    if (!ranks._sent.TryGetValue((rank, t.Peer), out Queue<byte[]>? queue)) ranks._sent[(rank, t.Peer)] = queue = new();
                    queue.Enqueue(new ReadOnlySpan<byte>((void*)t.Address, t.Bytes).ToArray());
                }

                BytesSent += t.Bytes;
            }

            Barrier();
            foreach (Transfer t in transfers)
            {
                if (t.IsSent) continue;
                lock (ranks._sent) ranks._sent[(t.Peer, rank)].Dequeue().CopyTo(new Span<byte>((void*)t.Address, t.Bytes));
            }

            Barrier();
        }

        public override void Abort(int code) => throw new InvalidOperationException($"aborted with {code}");

        public override void Complete() => Barrier();

        public override void Dispose()
        {
        }
    }
}
