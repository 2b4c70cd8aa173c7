using Engine.Kernels;

namespace Tests.Runtime;

public unsafe class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_worker_runs_every_job_once(int workers)
    {
        using var pool = new WorkerPool(workers);
        int* counts = stackalloc int[workers];
        for (int round = 0; round < 5000; round++)
        {
            // Longer than the workers spin, so that both ways of waiting are used.
            if (round % 1000 == 999) Thread.Sleep(20);
            pool.Run(new Count(counts));
        }

        for (int i = 0; i < workers; i++) Assert.Equal(5000, counts[i]);
    }

    [Fact]
    public void A_fault_in_any_worker_reaches_the_caller_and_the_pool_lives_on()
    {
        using var pool = new WorkerPool(3);
        for (int worker = 0; worker < 3; worker++)
            Assert.Equal($"worker {worker}", Assert.Throws<InvalidOperationException>(() => pool.Run(new Fail(worker))).Message);
        int* counts = stackalloc int[3];
        pool.Run(new Count(counts));
        Assert.Equal(1, counts[2]);
    }

    [Fact]
    public void Callers_on_several_threads_take_turns()
    {
        using var pool = new WorkerPool(2);
        int[] sums = new int[4];
        Parallel.For(0, 4, caller =>
        {
            int* counts = stackalloc int[2];
            for (int i = 0; i < 2000; i++) pool.Run(new Count(counts));
            sums[caller] = counts[0] + counts[1];
        });
        Assert.All(sums, sum => Assert.Equal(4000, sum));
    }

    [Fact]
    public void Running_a_job_allocates_nothing()
    {
        using var pool = new WorkerPool(2);
        int* counts = stackalloc int[2];
        for (int i = 0; i < 100; i++) pool.Run(new Count(counts));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++) pool.Run(new Count(counts));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(0, 1, 3)]
    [InlineData(1, 12, 4)]
    [InlineData(100, 12, 3)]
    [InlineData(101, 7, 16)]
    [InlineData(int.MaxValue, 64, 7)]
    public void Shares_cover_a_range_without_gap_or_overlap(int count, int grain, int workers)
    {
        int expected = 0;
        for (int w = 0; w < workers; w++)
        {
            (int start, int end) = Partition.Share(count, grain, w, workers);
            Assert.Equal(expected, start);
            Assert.True(end == count || end % grain == 0);
            expected = end;
        }

        Assert.Equal(count, expected);
    }

    private readonly struct Count(int* counts) : IJob
    {
        public void Run(int worker, int workers) => counts[worker]++;
    }

    private readonly struct Fail(int failing) : IJob
    {
        public void Run(int worker, int workers)
        {
            if (worker == failing) throw new InvalidOperationException($"worker {worker}");
        }
    }
}
