using System.Diagnostics;
using System.Globalization;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Engine.Kernels;
using Engine.Runtime;

namespace Bench.Server;

/// <summary>
/// Load on a <c>dnabert2-server</c> that runs on this machine, and what it makes of it; see bench/results/server.md. Every loop has an end.
/// </summary>
internal static class ServerLoad
{
    private const string Usage =
        """
        serve embed      --input FILE [--model DIR] [--threads N] [--batch-tokens N] [--rounds N]
                         what embed itself does, without a server
        serve throughput --input FILE --url URL [--clients N] [--batch N] [--rounds N]
                         requests one after the other from each client
        serve latency    --input FILE --url URL [--load R] [--seconds N] [--rounds N] [--arrivals poisson|even]
                         requests that come whether or not others are done, at a share of what the server can do
        serve soak       --input FILE --url URL --pid N [--requests N] [--clients N]
                         memory over many requests
        serve overload   --input FILE --url URL [--requests N] [--clients N] [--batch N]
                         each request answered once, by its own vectors, or refused
        serve abuse      --input FILE --url URL [--seconds N]
                         killed clients, slow readers, nonsense, huge bodies, and good clients
        """;

    /// <summary>Runs a mode.</summary>
    /// <param name="args">What is typed after <c>serve</c>.</param>
    /// <returns>The exit code: 0 unless an answer was wrong or missing.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var words = new Words(args);
        switch (args.FirstOrDefault())
        {
            case "embed": return Embed(words);
            case "throughput": return await Throughput(words);
            case "latency": return await Latency(words);
            case "soak": return await Soak(words);
            case "overload": return await Overload.RunAsync(words);
            case "abuse": return await Abuse.RunAsync(words);
            default:
                Console.Error.WriteLine(Usage);
                return 2;
        }
    }

    private static int Embed(Words words)
    {
        string[] sequences = words.Sequences();
        using Backend backend = CpuBackend.Create(words.Number("--threads", 0));
        using SequenceModel model = ModelSource.Open(words.Text("--model", ModelSource.BuiltIn)).Load(backend, ModelParts.Encoder);
        var embedder = new Embedder(model, new EmbedOptions { BatchTokens = words.Number("--batch-tokens", 4096) });
        embedder.Embed([.. sequences.Take(50)]);
        for (int round = words.Number("--rounds", 3); round > 0; round--)
        {
            long start = Stopwatch.GetTimestamp();
            embedder.Embed(sequences);
            Rate("embed", sequences.Length, Stopwatch.GetElapsedTime(start));
        }

        return 0;
    }

    private static async Task<int> Throughput(Words words)
    {
        string[] sequences = words.Sequences();
        int clients = words.Number("--clients", 8), batch = words.Number("--batch", 16);
        using var server = new ServerClient(words.Url(), clients);
        string[] bodies = [.. sequences.Chunk(batch).Select(ServerClient.Body)];
        foreach (string body in bodies.Take(5)) await server.EmbedAsync(body);
        for (int round = words.Number("--rounds", 3); round > 0; round--)
        {
            long start = Stopwatch.GetTimestamp();
            await Parallel.ForEachAsync(bodies, new ParallelOptions { MaxDegreeOfParallelism = clients },
                async (body, stop) => (await server.EmbedAsync(body, stop)).Expect(200));
            Rate($"server, {clients} clients, {batch} a request", sequences.Length, Stopwatch.GetElapsedTime(start));
        }

        return 0;
    }

    // A shared machine changes its speed within minutes: the capacity and a lone request are measured again in every round.
    private static async Task<int> Latency(Words words)
    {
        string[] bodies = [.. words.Sequences().Select(sequence => ServerClient.Body([sequence]))];
        double load = double.Parse(words.Text("--load", "0.8"), CultureInfo.InvariantCulture);
        int seconds = words.Number("--seconds", 10), rounds = words.Number("--rounds", 9);
        bool isPoisson = words.Text("--arrivals", "poisson") == "poisson";
        using var server = new ServerClient(words.Url(), 512);
        var ofLone = new List<double>();
        var ofQueue = new List<double>();
        for (int round = 0; round < rounds; round++)
        {
            double lone = Quantile([.. await ClosedLoop(server, bodies, 1, 40)], 50);
            long start = Stopwatch.GetTimestamp();
            await ClosedLoop(server, bodies, 16, 240);
            double capacity = 240 / Stopwatch.GetElapsedTime(start).TotalSeconds;
            double[] due = Arrivals(load * capacity, seconds, isPoisson ? new Philox(1, (uint)round, 0) : null);
            double[] times = await OpenLoop(server, bodies, due);
            double p99 = Quantile(times, 99), bound = Quantile(QueueTimes(due, 1 / capacity), 99);
            ofLone.Add(p99 / lone);
            ofQueue.Add(p99 / bound);
            Console.WriteLine($"alone p50 {lone:F1} ms; {capacity:F1} requests a second at most; at {load:P0}, {due.Length} requests: "
                + $"p50 {Quantile(times, 50):F1} ms, p99 {p99:F1} ms, {ofLone[^1]:F1} of alone; p99 of an ideal queue {bound:F1} ms");
        }

        string arrivals = isPoisson ? "Poisson" : "even";
        Console.WriteLine($"{arrivals}, median of {rounds} rounds: p99 is {Quantile([.. ofLone], 50):F2} of a lone request, "
            + $"{Quantile([.. ofQueue], 50):F2} of an ideal queue's");
        return 0;
    }

    private static async Task<double[]> ClosedLoop(ServerClient server, string[] bodies, int clients, int requests)
    {
        var times = new double[requests];
        var options = new ParallelOptions { MaxDegreeOfParallelism = clients };
        await Parallel.ForEachAsync(Enumerable.Range(0, requests), options, async (i, stop) =>
        {
            long start = Stopwatch.GetTimestamp();
            (await server.EmbedAsync(bodies[i % bodies.Length], stop)).Expect(200);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        });
        return times;
    }

    // When each request is due, in seconds; evenly spaced unless there is a random stream.
    private static double[] Arrivals(double rate, int seconds, Philox? random)
    {
        var due = new double[(int)(rate * seconds)];
        for (int i = 0; i < due.Length; i++)
            due[i] = (i == 0 ? 0 : due[i - 1]) + ((random is { } words ? -Math.Log(1 - (words.Word((ulong)i) / 4294967296.0)) : 1) / rate);
        return due;
    }

    // Milliseconds that the same requests take where one is served after the other and nothing else costs time.
    private static double[] QueueTimes(double[] due, double service)
    {
        var times = new double[due.Length];
        double free = 0;
        for (int i = 0; i < due.Length; i++)
        {
            free = Math.Max(free, due[i]) + service;
            times[i] = (free - due[i]) * 1000;
        }

        return times;
    }

    private static async Task<double[]> OpenLoop(ServerClient server, string[] bodies, double[] due)
    {
        var times = new double[due.Length];
        var requests = new Task[due.Length];
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < due.Length; i++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(due[i]) - Stopwatch.GetElapsedTime(begin);
            if (wait > TimeSpan.FromMilliseconds(1)) await Task.Delay(wait);
            requests[i] = One(i);
        }

        await Task.WhenAll(requests);
        return times;

        // From when it was due, not from when it could be sent: a client that is late must not hide that.
        async Task One(int i)
        {
            (await server.EmbedAsync(bodies[i % bodies.Length])).Expect(200);
            times[i] = (Stopwatch.GetElapsedTime(begin).TotalSeconds - due[i]) * 1000;
        }
    }

    private static async Task<int> Soak(Words words)
    {
        string[] bodies = [.. words.Sequences().Select(sequence => ServerClient.Body([sequence]))];
        int requests = words.Number("--requests", 100_000), clients = words.Number("--clients", 8), pid = words.Number("--pid", 0);
        const int Parts = 10;
        using var server = new ServerClient(words.Url(), clients);
        for (int part = 0; part <= Parts; part++)
        {
            using Process process = Process.GetProcessById(pid);
            double resident = process.WorkingSet64 / 1048576.0;
            Console.WriteLine($"{part * requests / Parts,8} requests: {resident:F1} MiB resident, {process.Threads.Count} threads");
            if (part == Parts) break;
            await Parallel.ForEachAsync(Enumerable.Range(0, requests / Parts), new ParallelOptions { MaxDegreeOfParallelism = clients },
                async (i, stop) => (await server.EmbedAsync(bodies[i % bodies.Length], stop)).Expect(200));
        }

        return 0;
    }

    private static void Rate(string what, int sequences, TimeSpan time) =>
        Console.WriteLine($"{what}: {sequences / time.TotalSeconds:F1} sequences a second ({sequences} in {time.TotalSeconds:F2} s)");

    private static double Quantile(double[] times, int percent)
    {
        double[] sorted = [.. times.Order()];
        return sorted[Math.Max(0, (int)Math.Ceiling(sorted.Length * percent / 100.0) - 1)];
    }
}
