using System.Diagnostics;
using System.Net.Sockets;

namespace Bench.Server;

/// <summary>Clients that are killed, read slowly, send nonsense or too much, beside good ones, whose answers are to stay right.</summary>
internal static class Abuse
{
    private const int Good = 4, Each = 3;

    public static async Task<int> RunAsync(Words words)
    {
        string[] sequences = [.. words.Sequences().Take(200)];
        var time = TimeSpan.FromSeconds(words.Number("--seconds", 30));
        using var server = new ServerClient(words.Url(), 64);
        float[][] expected = await Overload.Expected(server, sequences);
        long start = Stopwatch.GetTimestamp();
        var counts = new int[5];
        int answered = 0, wrong = 0;
        string large = ServerClient.Body([.. Enumerable.Repeat(sequences[0], 1000)]);
        Func<Task>[] abuses =
        [
            // Killed in the midst of its body, and while it waits for its answer.
            async () => Reset(await server.ConnectAsync(Head(100_000) + large[..500])),
            async () =>
            {
                Socket socket = await server.ConnectAsync(Head(large.Length) + large);
                await Task.Delay(30);
                Reset(socket);
            },
            // Reads a few bytes and waits.
            async () =>
            {
                using Socket socket = await server.ConnectAsync(Head(large.Length) + large);
                byte[] few = new byte[16];
                for (int i = 0; i < 20 && await socket.ReceiveAsync(few) > 0; i++) await Task.Delay(100);
            },
            async () => (await server.EmbedAsync("{\"input\":[[[[")).Expect(400),
            async () =>
            {
                using Socket socket = await server.ConnectAsync(Head(1L << 40) + "{\"input\":\"");
                await socket.ReceiveAsync(new byte[64]);
            },
        ];
        IEnumerable<Task> bad = Enumerable.Range(0, abuses.Length * Each).Select(worker => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(start) < time)
            {
                try
                {
                    await abuses[worker % abuses.Length]();
                }
                catch (SocketException)
                {
                    // Cut off, as it deserves.
                }

                Interlocked.Increment(ref counts[worker % abuses.Length]);
                await Task.Delay(20);
            }
        }));
        IEnumerable<Task> good = Enumerable.Range(0, Good).Select(worker => Task.Run(async () =>
        {
            for (int i = worker; Stopwatch.GetElapsedTime(start) < time; i++)
            {
                Answer answer = await server.EmbedAsync(ServerClient.Body([sequences[i % sequences.Length]]));
                if (answer.Status == 429)
                {
                    await Task.Delay(200);
                    continue;
                }

                answer.Expect(200);
                Interlocked.Increment(ref answered);
                if (!Overload.IsSame(answer.Vectors().Single(), expected[i % sequences.Length])) Interlocked.Increment(ref wrong);
            }
        }));
        await Task.WhenAll(bad.Concat(good));
        Console.WriteLine(
            $"killed in their body {counts[0]}, killed while waiting {counts[1]}, slow readers {counts[2]}, nonsense {counts[3]}, "
            + $"bodies of a terabyte {counts[4]}; good clients: {answered} answered, {wrong} wrong");
        while (await server.MetricAsync("dnabert2_server_requests") > 0) await Task.Delay(500);
        Console.WriteLine($"left: {await server.MetricAsync("dnabert2_server_queue_tokens")} tokens, "
            + $"{await server.MetricAsync("dnabert2_server_memory_bytes")} bytes of requests");
        return wrong == 0 ? 0 : 1;
    }

    private static string Head(long length) =>
        $"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n";

    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }
}
