using System.Net;
using System.Net.Sockets;
using System.Text;
using Dnabert2.Embeddings;
using Dnabert2.Server;
using Tests.Training;

namespace Tests.Server;

public sealed class LoadTests
{
    // One sequence of so many tokens keeps the tiny model busy for a while: it cannot be divided.
    private const int BusyBases = 60_000;
    private static readonly ServerOptions Busy = new() { MaxInputTokens = 60_000, MaxQueueTokens = 60_000 };

    [Fact]
    public async Task Under_overload_each_request_has_its_own_answer_or_is_refused_and_told_when_to_come_again()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { MaxQueueTokens = 400, MaxBatchTokens = 200, MaxRequests = 64 });
        string[] sequences = [.. Enumerable.Range(0, 40).Select(i => Toy.Bases((ulong)i, 60 + (7 * i)))];
        float[,] expected = new Embedder(server.Model).Embed(sequences).ToArray();
        int answered = 0, refused = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 400), new ParallelOptions { MaxDegreeOfParallelism = 40 }, async (i, cancellation) =>
        {
            int which = i % sequences.Length;
            using HttpResponseMessage answer = await server.Post(
                "/embed", $$"""{"inputs":"{{sequences[which]}}","normalize":false}""", cancellation);
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            {
                Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
                Interlocked.Increment(ref refused);
                return;
            }

            float[][] vectors = System.Text.Json.JsonSerializer.Deserialize<float[][]>(await answer.Content.ReadAsStringAsync(cancellation))!;
            for (int c = 0; c < vectors.Single().Length; c++) Assert.Equal(expected[which, c], vectors[0][c], 1e-5f);
            Interlocked.Increment(ref answered);
        });
        Assert.Equal(400, answered + refused);
        Assert.True(answered > 40, $"{answered} answered");
        await server.IsSound();
    }

    [Fact]
    public async Task A_full_queue_refuses_and_a_client_that_is_gone_or_out_of_time_leaves_it_before_it_is_computed()
    {
        await using RunningServer server = await RunningServer.Start(Busy with { Timeout = TimeSpan.FromSeconds(30) });
        Task<float[][]> busy = server.Embed(Toy.Bases(1, BusyBases));
        await RunningServer.Until(() => server.Admission.Requests == 1 && server.Queue.Tokens == 0 && server.Admission.Bytes > 0);
        await Task.Delay(50);
        using var gone = new CancellationTokenSource();
        Task<HttpResponseMessage> waiting = server.Post("/embed", $$"""{"inputs":"{{Toy.Bases(2, BusyBases)}}"}""", gone.Token);
        await RunningServer.Until(() => server.Queue.Jobs == 1);
        (int status, _, string type) = await RunningServer.ErrorOf(await server.Post("/embed", $$"""{"inputs":"{{Toy.Bases(3, BusyBases)}}"}"""));
        Assert.Equal((429, "Overloaded"), (status, type));
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await RunningServer.Until(() => server.Queue.Jobs == 0);
        Assert.False(busy.IsCompleted, "what the test keeps the model busy with was too short");
        Assert.Single(await busy);
        await server.IsSound();
    }

    [Fact]
    public async Task A_request_that_is_not_done_in_time_is_told_so_and_ends()
    {
        await using RunningServer server = await RunningServer.Start(Busy with { Timeout = TimeSpan.FromMilliseconds(150) });
        Task<HttpResponseMessage> busy = server.Post("/embed", $$"""{"inputs":"{{Toy.Bases(1, BusyBases)}}"}""");
        await RunningServer.Until(() => server.Admission.Requests == 1);
        using HttpResponseMessage late = await server.Post("/embed", """{"inputs":"ACGT"}""");
        (int status, string error, _) = await RunningServer.ErrorOf(late);
        Assert.Equal((503, "the request was not done within 0.15 s"), (status, error));
        Assert.NotNull(late.Headers.RetryAfter);
        Assert.Equal(503, (int)(await busy).StatusCode);
        await RunningServer.Until(() => server.Post("/embed", """{"inputs":"ACGT"}""").Result.IsSuccessStatusCode);
        await server.IsSound();
    }

    [Fact]
    public async Task Too_many_requests_at_once_are_refused_before_they_are_read()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { MaxRequests = 1 });
        const string Body = """{"inputs":"ACGTTGCA"}""";
        using TcpClient first = await server.Connect(
            $"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body[..9]}");
        await RunningServer.Until(() => server.Admission.Requests == 1);
        using HttpResponseMessage second = await server.Post("/embed", Body);
        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/health")).StatusCode);
        await first.GetStream().WriteAsync(Encoding.ASCII.GetBytes(Body[9..]));
        Assert.Equal("HTTP/1.1 200 OK", await new StreamReader(first.GetStream()).ReadLineAsync());
        await server.IsSound();
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_cut_off_and_delays_nobody()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { Timeout = TimeSpan.FromSeconds(1) });
        string inputs = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"{Toy.Bases((ulong)i % 50, 6)}\""));
        string body = $"{{\"inputs\":[{inputs}]}}";
        using TcpClient slow = await server.Connect(
            $"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        await RunningServer.Until(() => slow.Available > 0);
        Assert.Single(await server.Embed("ACGTTGCA"));
        Assert.True(server.Admission.Requests == 1, "the answer was too short to wait for its reader");
        await server.IsSound();
    }

    [Fact]
    public async Task A_server_that_is_told_to_end_answers_all_that_it_took()
    {
        RunningServer server = await RunningServer.Start(Busy);
        await using (server)
        {
            Task<float[][]> busy = server.Embed(Toy.Bases(1, BusyBases));
            await RunningServer.Until(() => server.Admission.Requests == 1 && server.Queue.Tokens == 0 && server.Admission.Bytes > 0);
            await Task.Delay(50);
            Task<float[][]>[] waiting = [.. Enumerable.Range(0, 10).Select(i => server.Embed(Toy.Bases((ulong)i, 100)))];
            await RunningServer.Until(() => server.Queue.Jobs == 10);
            Task stopped = server.Stop();
            Assert.Single(await busy);
            foreach (Task<float[][]> request in waiting) Assert.Single(await request);
            await stopped;
            await Assert.ThrowsAsync<HttpRequestException>(() => server.Embed("ACGT"));
        }
    }
}
