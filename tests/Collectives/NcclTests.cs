using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Collectives;
using Engine.Runtime.Cuda;

namespace Tests.Collectives;

/// <summary>The binding of NCCL, on a library that is played: what it is told, and where bytes go.</summary>
public sealed class NcclTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nccl-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public unsafe void Bytes_go_between_GPUs_in_the_order_and_on_the_stream_of_their_backends()
    {
        string library = Compile();
        int[][] received = ThreadRanks.Run(3, hosts =>
        {
            using CudaBackend backend = Gpu();
            using var ranks = new NcclCommunicator(NcclLibrary.TryLoad(library)!, hosts, backend);
            Assert.True(ranks.Reaches(backend));
            Assert.Equal("threads and NCCL 2.18.3", ranks.Description);
            int[] sent = [10 * ranks.Rank, (10 * ranks.Rank) + 1, (10 * ranks.Rank) + 2], got = new int[6];
            fixed (int* from = sent, to = got)
            {
                var transfers = new List<Transfer>();
                for (int peer = 0; peer < 3; peer++)
                {
                    if (peer == ranks.Rank) continue;
                    // Two to each, which come in their order.
                    transfers.Add(Transfer.Send(peer, (nint)(from + peer), 4));
                    transfers.Add(Transfer.Send(peer, (nint)from, 4));
                    transfers.Add(Transfer.Receive(peer, (nint)(to + (2 * peer)), 4));
                    transfers.Add(Transfer.Receive(peer, (nint)(to + (2 * peer) + 1), 4));
                }

                ranks.Exchange(CollectionsMarshal.AsSpan(transfers));
            }

            Assert.Equal(16, ranks.BytesSent);
            return got;
        });
        Assert.Equal([0, 0, 10, 10, 20, 20], received[0]);
        Assert.Equal([1, 0, 0, 0, 21, 20], received[1]);
        Assert.Equal([2, 0, 12, 10, 0, 0], received[2]);
        string[] calls = Calls(library);
        Assert.Equal(
            ["1 send 4 of type 1 to 0 on stream 13", "1 send 4 of type 1 to 0 on stream 13", "1 receive 4 of type 1 from 0 on stream 13",
                "1 receive 4 of type 1 from 0 on stream 13", "1 send 4 of type 1 to 2 on stream 13", "1 send 4 of type 1 to 2 on stream 13",
                "1 receive 4 of type 1 from 2 on stream 13", "1 receive 4 of type 1 from 2 on stream 13", "1 abort"],
            calls.Where(call => call[0] == '1'));
        Assert.Equal(3, calls.Count(call => call.EndsWith("abort", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_NCCL_refuses_is_said_in_its_words()
    {
        string library = Compile();
        var e = Assert.Throws<CollectiveException>(() => ThreadRanks.Run(9, hosts =>
        {
            using CudaBackend backend = Gpu();
            using var ranks = new NcclCommunicator(NcclLibrary.TryLoad(library)!, hosts, backend);
            return 0;
        }));
        Assert.Equal("ncclCommInitRank: invalid usage", e.Message);
    }

    [Fact]
    public void Without_NCCL_or_on_a_CPU_there_is_no_such_connection()
    {
        Assert.Null(NcclLibrary.TryLoad(Path.Combine(_folder.FullName, "libnccl.so.2")));
        using Backend cpu = CpuBackend.Create(1);
        Assert.Equal([true, true], ThreadRanks.Run(2, ranks => ranks.BetweenGpus(cpu) is null));
    }

    private static CudaBackend Gpu() => new(new QueueOfGpu());

    private string Compile()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/gcc"), "the library is compiled by gcc, which is not here");
        string library = Path.Combine(_folder.FullName, "nccl.so"),
            source = Path.Combine(SharedData.Checkout, "tests", "Collectives", "nccl_stub.c");
        using Process gcc = Process.Start("gcc", ["-shared", "-fPIC", "-pthread", "-Wall", "-Werror", "-o", library, source]);
        gcc.WaitForExit();
        Assert.Equal(0, gcc.ExitCode);
        return library;
    }

    private static unsafe string[] Calls(string library)
    {
        nint handle = NativeLibrary.Load(library);
        var calls = (delegate* unmanaged<byte*, int, int>)NativeLibrary.GetExport(handle, "stub_calls");
        byte[] text = new byte[65536];
        fixed (byte* address = text)
            return Encoding.UTF8.GetString(text, 0, calls(address, text.Length)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>A GPU of which nothing but its queue is asked.</summary>
    private sealed class QueueOfGpu : GpuDevice
    {
        public override string Description => "a queue";

        public override int MaxSharedBytes => 0;

        public override Version ComputeCapability { get; } = new(8, 0);

        public override bool IsHopper => false;

        public override bool CapturesGraphs => false;

        public override nint Stream => 13;

        public override void Enter()
        {
        }

        public override nint Allocate(long bytes) => throw new NotSupportedException();

        public override void Free(nint address) => throw new NotSupportedException();

        public override void Download(nint source, Span<byte> destination) => throw new NotSupportedException();

        public override void Upload(ReadOnlySpan<byte> source, nint destination) => throw new NotSupportedException();

        public override void Copy(nint source, nint destination, long bytes) => throw new NotSupportedException();

        public override void Clear(nint destination, long bytes) => throw new NotSupportedException();

        public override void EncodeTensorMap(nint matrix, long rows, long columns, Span<byte> map) => throw new NotSupportedException();

        public override CudaGraph Capture(Action step) => throw new NotSupportedException();

        public override double Time(Action work) => throw new NotSupportedException();

        protected override void Launch(
            CompiledKernel kernel, KernelArguments arguments, int gridX, int gridY, int gridZ, int dynamicShared) =>
            throw new NotSupportedException();
    }
}
