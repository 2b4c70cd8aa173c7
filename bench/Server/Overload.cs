using System.Numerics.Tensors;

namespace Bench.Server;

/// <summary>More requests than the server takes: each is answered once, by the vectors of its own sequences, or refused.</summary>
internal static class Overload
{
    public static async Task<int> RunAsync(Words words)
    {
        string[] sequences = words.Sequences();
        int requests = words.Number("--requests", 5000), clients = words.Number("--clients", 600), batch = words.Number("--batch", 4);
        using var server = new ServerClient(words.Url(), clients);
        float[][] expected = await Expected(server, sequences);
        int answered = 0, refused = 0, wrong = 0, other = 0, unhinted = 0;
        var all = new ParallelOptions { MaxDegreeOfParallelism = clients };
        await Parallel.ForEachAsync(Enumerable.Range(0, requests), all, async (i, stop) =>
        {
            int[] own = [.. Enumerable.Range(0, batch).Select(k => ((i * 7) + (k * 13)) % sequences.Length)];
            Answer answer = await server.EmbedAsync(ServerClient.Body([.. own.Select(k => sequences[k])]), stop);
            if (answer.Status == 429)
            {
                Interlocked.Increment(ref refused);
                if (answer.RetryAfter is null) Interlocked.Increment(ref unhinted);
            }
            else if (answer.Status != 200)
            {
                Interlocked.Increment(ref other);
            }
            else
            {
                Interlocked.Increment(ref answered);
                float[][] vectors = answer.Vectors();
                bool right = vectors.Length == batch;
                for (int k = 0; right && k < batch; k++) right = IsSame(vectors[k], expected[own[k]]);
                if (!right) Interlocked.Increment(ref wrong);
            }
        });
        Console.WriteLine($"{requests} requests of {batch}, {clients} at a time: {answered} answered, {refused} refused with 429 "
            + $"({unhinted} without Retry-After), {other} other, {wrong} wrong; {requests - answered - refused - other} lost");
        Console.WriteLine($"left in the queue: {await server.MetricAsync("dnabert2_server_queue_tokens")} tokens, "
            + $"{await server.MetricAsync("dnabert2_server_requests")} requests");
        return wrong + other + unhinted == 0 ? 0 : 1;
    }

    /// <summary>The vectors of sequences, asked for one by one.</summary>
    public static async Task<float[][]> Expected(ServerClient server, string[] sequences)
    {
        var expected = new float[sequences.Length][];
        for (int i = 0; i < sequences.Length; i++)
        {
            Answer answer = await server.EmbedAsync(ServerClient.Body([sequences[i]]));
            answer.Expect(200);
            expected[i] = answer.Vectors().Single();
        }

        return expected;
    }

    /// <summary>Whether two vectors of length 1 are one.</summary>
    public static bool IsSame(float[] a, float[] b) => a.Length == b.Length && TensorPrimitives.Distance<float>(a, b) < 1e-4f;
}
