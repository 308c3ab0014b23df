// vthr.hpp: vthr.h for C++17.  Thin: scopes and tokens are objects, tasks are callables, failures are exceptions, channels have types.
//
// An exception that leaves a task is its failure: it comes out of join(), and the first of a scope out of the scope.  Errors are
// std::system_error.  A wait that is cancelled throws vthr::cancelled; but when a scope that the thread itself has open has failed, what
// this scope failed with, which is what has to come out of it.  Let either pass.
#ifndef VTHR_HPP
#define VTHR_HPP

#include <vthr.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cxxabi.h>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace vthr {

using clock = std::chrono::steady_clock; // CLOCK_MONOTONIC, as vthr_now

class cancelled : public std::exception {
public:
    const char *what() const noexcept override { return "cancelled"; }
};

class scope;

namespace detail {
inline thread_local scope *innermost = nullptr; // of the calling thread
[[noreturn]] inline void throw_cancelled();
} // namespace detail

// Throws what the error of a wait is, if it is one: check(poll(p, 1, -1) < 0 ? errno : 0).
inline void check(int error)
{
    if (error == ECANCELED)
        detail::throw_cancelled();
    if (error)
        throw std::system_error(error, std::generic_category());
}

namespace detail {

inline std::uint64_t point(clock::time_point t)
{
    auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
    return ns > 0 ? static_cast<std::uint64_t>(ns) : 1;
}

// What came out of a task or a scope, with its message.
[[noreturn]] inline void throw_result(int error)
{
    if (error == ECANCELED)
        throw cancelled();
    std::error_code code(error, std::generic_category());
    std::string text = vthr_error_message(error);
    throw text == code.message() ? std::system_error(code) : std::system_error(code, text);
}
inline void check_result(int error)
{
    if (error)
        throw_result(error);
}

// What a scope's tasks failed with: of each error the first.  Which of these is the scope's is known to the library.
class failures {
    struct failure {
        int error;
        std::exception_ptr what;
        failure *next;
    };
    std::atomic<failure *> all_{nullptr};

public:
    failures() = default;
    failures(const failures &) = delete;
    failures &operator=(const failures &) = delete;
    ~failures()
    {
        for (failure *f = all_, *next; f; f = next) {
            next = f->next;
            delete f;
        }
    }
    std::exception_ptr find(int error) const
    {
        for (failure *f = all_.load(); f; f = f->next)
            if (f->error == error)
                return f->what;
        return nullptr;
    }
    void note(int error, std::exception_ptr what)
    {
        if (find(error))
            return;
        auto *f = new failure{error, std::move(what), all_.load()};
        while (!all_.compare_exchange_weak(f->next, f))
            ;
    }
};

struct state { // of a scope, as long as its tasks' results are looked at
    std::atomic<bool> open{true};
    failures failed;
};

struct release {
    std::shared_ptr<state> of;
    void operator()(vthr_task *t) const
    {
        if (of->open)
            vthr_release(t);
    }
};

struct nothing {};
template <class R> using stored = std::conditional_t<std::is_void_v<R>, nothing, R>;

template <class R> struct result {
    std::optional<stored<R>> value;
    std::exception_ptr error;
};

template <class F, class R> struct call {
    F f;
    std::shared_ptr<result<R>> to;
    failures *failed;

    static int run(void *arg, void **)
    {
        std::unique_ptr<call> c(static_cast<call *>(arg));
        try {
            if constexpr (std::is_void_v<R>) {
                c->f();
                c->to->value.emplace();
            } else {
                c->to->value.emplace(c->f());
            }
            return 0;
        } catch (abi::__forced_unwind &) { // pthread_exit, pthread_cancel
            throw;
        } catch (cancelled &e) {
            return c->ended(ECANCELED, e.what());
        } catch (std::system_error &e) {
            bool number = e.code().category() == std::generic_category() || e.code().category() == std::system_category();
            return c->ended(number && e.code() ? e.code().value() : ENOTRECOVERABLE, e.what());
        } catch (std::exception &e) {
            return c->ended(ENOTRECOVERABLE, e.what());
        } catch (...) {
            return c->ended(ENOTRECOVERABLE, "an exception");
        }
    }
    int ended(int error, const char *text) // text: for who joins it in C
    {
        to->error = std::current_exception();
        if (error == ECANCELED && vthr_cancelled())
            return ECANCELED;
        failed->note(error, to->error);
        return vthr_fail(error, "%s", text);
    }
};

template <class R, class F> struct end_case;
template <class F> struct acquire_case;

} // namespace detail

// A task whose result is still to be taken.
template <class R> class task {
public:
    // Its value, or what it threw; once.  After the scope was left, too.
    R join()
    {
        int r = !to_ ? EALREADY : selected_ ? code_ : handle_.get_deleter().of->open ? vthr_join(handle(), nullptr) : 0;
        if (r == EALREADY || r == EDEADLK || (r == ECANCELED && vthr_cancelled()))
            check(r);
        auto to = std::move(to_);
        if (to->error)
            std::rethrow_exception(to->error);
        detail::check_result(to->value ? r : ECANCELED);
        if constexpr (!std::is_void_v<R>)
            return std::move(*to->value);
    }
    vthr_task *handle() const { return handle_.get(); }

private:
    friend class scope;
    template <class, class> friend struct detail::end_case;
    task(vthr_task *handle, std::shared_ptr<detail::result<R>> to, std::shared_ptr<detail::state> of)
        : handle_(handle, detail::release{std::move(of)}), to_(std::move(to))
    {
    }
    std::unique_ptr<vthr_task, detail::release> handle_;
    std::shared_ptr<detail::result<R>> to_; // null: it was taken
    bool selected_ = false;
    int code_ = 0;
};

// Leaves when it is destroyed, as vthr_scope_leave, and throws what comes out of it; unwound by an exception, it cancels first, and
// that exception goes on: also a `cancelled` of who called cancel().  For objects with automatic storage.
class scope {
public:
    scope() : unwinding_(std::uncaught_exceptions())
    {
        check(vthr_scope_open(&handle_));
        detail::innermost = this;
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    ~scope() noexcept(false)
    {
        if (!handle_)
            return;
        if (std::uncaught_exceptions() > unwinding_) {
            cancel();
            close();
        } else {
            leave();
        }
    }

    // Before its end, to handle what comes out of it.
    void leave()
    {
        if (int r = close())
            fail(r);
    }

    // A task whose result is not kept leaves nothing behind.
    template <class F> auto spawn(F &&f) { return start(std::forward<F>(f), vthr_spawn); }
    template <class F> auto spawn_daemon(F &&f) { return start(std::forward<F>(f), vthr_spawn_daemon); }

    void cancel() { vthr_scope_cancel(handle_); }
    void shield()
    {
        check(vthr_scope_shield(handle_));
        shielded_ = true;
    }
    void limit(unsigned n) { check(vthr_scope_limit(handle_, n)); }
    void cancel_locks() { check(vthr_scope_cancel_locks(handle_)); }
    void deadline(clock::time_point t) { check(vthr_scope_deadline(handle_, detail::point(t))); }
    template <class Rep, class Period> void timeout(std::chrono::duration<Rep, Period> d) { deadline(clock::now() + d); }
    vthr_scope *handle() const { return handle_; }

private:
    friend void detail::throw_cancelled();

    int close()
    {
        detail::innermost = outer_;
        int r = vthr_scope_leave(std::exchange(handle_, nullptr));
        state_->open = false;
        return r;
    }
    [[noreturn]] void fail(int error)
    {
        if (auto what = state_->failed.find(error))
            std::rethrow_exception(what);
        detail::throw_result(error);
    }
    template <class F, class Spawn> auto start(F &&f, Spawn how)
    {
        using Fn = std::decay_t<F>;
        using R = std::invoke_result_t<Fn &>;
        auto to = std::make_shared<detail::result<R>>();
        auto c = std::unique_ptr<detail::call<Fn, R>>(new detail::call<Fn, R>{std::forward<F>(f), to, &state_->failed});
        vthr_task *handle;

        check(how(handle_, &handle, detail::call<Fn, R>::run, c.get()));
        c.release();
        return task<R>(handle, std::move(to), state_);
    }

    vthr_scope *handle_ = nullptr;
    scope *outer_ = detail::innermost;
    int unwinding_;
    bool shielded_ = false;
    std::shared_ptr<detail::state> state_ = std::make_shared<detail::state>();
};

inline void detail::throw_cancelled()
{
    for (scope *s = innermost; s; s = s->shielded_ ? nullptr : s->outer_)
        if (int error = vthr_scope_error(s->handle_))
            s->fail(error);
    throw cancelled();
}

// Moves or copies elements of type T; those that can be copied as bytes travel as such, others behind a pointer.
template <class T> class channel {
    static constexpr bool plain = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && std::is_move_assignable_v<T>;
    using element = std::conditional_t<plain, T, T *>;

public:
    explicit channel(std::size_t capacity = 0) { check(vthr_channel_new(&handle_, sizeof(element), capacity)); }
    channel(const channel &) = delete;
    channel &operator=(const channel &) = delete;
    ~channel()
    {
        if constexpr (!plain) {
            element e;
            while (vthr_try_receive(handle_, &e) == 0)
                delete e;
        }
        vthr_channel_free(handle_);
    }

    // False: it is closed.
    bool send(T x) { return give(std::move(x), VTHR_NEVER) == 0; }
    // False: closed, or nobody takes it now, or by then.
    bool try_send(T x) { return give(std::move(x), 0) == 0; }
    bool send_until(T x, clock::time_point t) { return give(std::move(x), detail::point(t)) == 0; }
    // Nothing: it is closed and empty.
    std::optional<T> receive() { return take(VTHR_NEVER); }
    // Nothing: the same, or nothing is there now, or by then.
    std::optional<T> try_receive() { return take(0); }
    std::optional<T> receive_until(clock::time_point t) { return take(detail::point(t)); }
    void close() { vthr_channel_close(handle_); }
    vthr_channel *handle() const { return handle_; }

    // for (auto &x : channel)
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T *;
        using reference = T &;
        T &operator*() { return *x_; }
        iterator &operator++()
        {
            x_.reset();
            if (auto next = from_->receive())
                x_.emplace(std::move(*next));
            return *this;
        }
        bool operator!=(const iterator &) const { return x_.has_value(); }

    private:
        friend class channel;
        iterator() = default;
        explicit iterator(channel *from) : from_(from) { ++*this; }
        channel *from_ = nullptr;
        std::optional<T> x_;
    };
    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }

    // What a case of a select has to keep while it waits.
    class slot {
    public:
        slot() = default;
        explicit slot(T x)
        {
            if constexpr (plain)
                e_ = std::move(x);
            else
                e_ = new T(std::move(x)), mine_ = true;
        }
        slot(slot &&o) noexcept : e_(o.e_), mine_(std::exchange(o.mine_, false)) {}
        ~slot()
        {
            if constexpr (!plain)
                if (mine_)
                    delete e_;
        }
        element *at() { return &e_; }
        void sent() { mine_ = false; }
        T received()
        {
            if constexpr (plain) {
                return e_;
            } else {
                std::unique_ptr<T> p(e_);
                return std::move(*p);
            }
        }

    private:
        element e_{};
        bool mine_ = false;
    };

private:
    int give(T x, std::uint64_t when)
    {
        slot s(std::move(x));
        int r = vthr_send_until(handle_, s.at(), when);
        if (r == 0)
            s.sent();
        else if (r != EPIPE && r != EAGAIN && r != ETIMEDOUT)
            check(r);
        return r;
    }
    std::optional<T> take(std::uint64_t when)
    {
        slot s;
        int r = vthr_receive_until(handle_, s.at(), when);
        if (r == 0)
            return s.received();
        if (r != EPIPE && r != EAGAIN && r != ETIMEDOUT)
            check(r);
        return std::nullopt;
    }

    vthr_channel *handle_ = nullptr;
};

// Happens once.
class event {
public:
    event() { check(vthr_event_new(&handle_)); }
    event(const event &) = delete;
    event &operator=(const event &) = delete;
    ~event() { vthr_event_free(handle_); }
    void set() { vthr_event_set(handle_); }
    void wait() { check(vthr_event_wait(handle_)); }
    // False: not by then.
    bool wait_until(clock::time_point t)
    {
        int r = vthr_event_wait_until(handle_, detail::point(t));
        if (r != ETIMEDOUT)
            check(r);
        return r == 0;
    }
    vthr_event *handle() const { return handle_; }

private:
    vthr_event *handle_ = nullptr;
};

// ---- select(on_receive(c, [](std::optional<T> x) {...}), on_send(c, x, [](bool sent) {...}), on_end(task, [](auto &task) {...}),
//             on_event(e, [] {...}), on_readable(fd, [] {...}), on_time(t, [] {...}), otherwise([] {...})): runs one of the functions, returns which.

namespace detail {
template <class T, class F> struct receive_case {
    channel<T> &from;
    F f;
    typename channel<T>::slot s{};
    vthr_case make() { return vthr_on_receive(from.handle(), s.at()); }
    void run(int result) { f(result == 0 ? std::optional<T>(s.received()) : std::nullopt); }
};
template <class T, class F> struct send_case {
    channel<T> &to;
    F f;
    typename channel<T>::slot s;
    vthr_case make() { return vthr_on_send(to.handle(), s.at()); }
    void run(int result)
    {
        if (result == 0)
            s.sent();
        f(result == 0);
    }
};
template <class R, class F> struct end_case {
    task<R> &t;
    F f;
    vthr_case make() { return vthr_on_join(t.handle(), nullptr); }
    void run(int result)
    {
        if (result != EALREADY)
            t.selected_ = true, t.code_ = result;
        f(t);
    }
};
template <class F> struct plain_case {
    vthr_case c;
    F f;
    vthr_case make() { return c; }
    void run(int) { f(); }
};
template <class F> struct default_case {
    F f;
    vthr_case make() { return vthr_off(); }
    void run(int) { f(); }
};
template <class> struct is_default : std::false_type {};
template <class F> struct is_default<default_case<F>> : std::true_type {};
} // namespace detail

template <class T, class F> auto on_receive(channel<T> &from, F f)
{
    return detail::receive_case<T, F>{from, std::move(f)};
}
template <class T, class U, class F> auto on_send(channel<T> &to, U &&x, F f)
{
    return detail::send_case<T, F>{to, std::move(f), typename channel<T>::slot(T(std::forward<U>(x)))};
}
// f is called with the task, whose join() does not wait any more.
template <class R, class F> auto on_end(task<R> &t, F f)
{
    return detail::end_case<R, F>{t, std::move(f)};
}
template <class F> auto on_event(event &e, F f) { return detail::plain_case<F>{vthr_on_event(e.handle()), std::move(f)}; }
template <class F> auto on_readable(int fd, F f) { return detail::plain_case<F>{vthr_on_readable(fd), std::move(f)}; }
template <class F> auto on_writable(int fd, F f) { return detail::plain_case<F>{vthr_on_writable(fd), std::move(f)}; }
template <class F> auto on_time(clock::time_point t, F f)
{
    return detail::plain_case<F>{vthr_on_time(detail::point(t)), std::move(f)};
}
template <class F> auto otherwise(F f) { return detail::default_case<F>{std::move(f)}; }

template <class... Cases> int select(Cases... cases)
{
    constexpr bool waits = !(detail::is_default<Cases>::value || ...);
    std::tuple<Cases &...> all(cases...);
    vthr_case c[] = {cases.make()...};
    int i = vthr_select_until(c, sizeof...(cases), waits ? VTHR_NEVER : 0);
    int k = 0;

    if (i < 0 && i != -EAGAIN)
        check(-i);
    std::apply(
        [&](auto &...each) {
            ((i == k || (i < 0 && detail::is_default<std::decay_t<decltype(each)>>::value) ? (i = k, each.run(c[k].result)) : void(), ++k), ...);
        },
        all);
    return i;
}

// A token goes back when it is destroyed.
class semaphore {
public:
    explicit semaphore(unsigned tokens) { check(vthr_semaphore_new(&handle_, tokens)); }
    semaphore(const semaphore &) = delete;
    semaphore &operator=(const semaphore &) = delete;
    ~semaphore() { vthr_semaphore_free(handle_); }

    class token {
    public:
        token(token &&o) noexcept : of_(std::exchange(o.of_, nullptr)) {}
        token &operator=(token &&) = delete;
        ~token()
        {
            if (of_)
                vthr_give_back(of_);
        }

    private:
        friend class semaphore;
        template <class> friend struct detail::acquire_case;
        explicit token(vthr_semaphore *of) : of_(of) {}
        vthr_semaphore *of_;
    };
    [[nodiscard]] token acquire()
    {
        check(vthr_acquire(handle_));
        return token(handle_);
    }
    // Nothing: there is none now.
    [[nodiscard]] std::optional<token> try_acquire()
    {
        int r = vthr_try_acquire(handle_);
        if (r == EAGAIN)
            return std::nullopt;
        check(r);
        return token(handle_);
    }
    vthr_semaphore *handle() const { return handle_; }

private:
    vthr_semaphore *handle_ = nullptr;
};

namespace detail {
template <class F> struct acquire_case {
    semaphore &s;
    F f;
    vthr_case make() { return vthr_on_acquire(s.handle()); }
    void run(int result)
    {
        check(result);
        f(semaphore::token(s.handle()));
    }
};
} // namespace detail

// A case of a select; f is given the token.
template <class F> auto on_acquire(semaphore &s, F f)
{
    return detail::acquire_case<F>{s, std::move(f)};
}

// For std::lock_guard and std::unique_lock, with the waits of a condition.
class mutex {
public:
    mutex() { check(vthr_mutex_new(&handle_)); }
    mutex(const mutex &) = delete;
    mutex &operator=(const mutex &) = delete;
    ~mutex() { vthr_mutex_free(handle_); }
    void lock() { check(vthr_mutex_lock(handle_)); }
    bool try_lock() { return vthr_try_mutex(handle_) == 0; }
    bool try_lock_until(clock::time_point t)
    {
        int r = vthr_mutex_lock_until(handle_, detail::point(t));
        if (r != ETIMEDOUT)
            check(r);
        return r == 0;
    }
    template <class Rep, class Period> bool try_lock_for(std::chrono::duration<Rep, Period> d) { return try_lock_until(clock::now() + d); }
    void unlock() { vthr_mutex_unlock(handle_); }
    vthr_mutex *handle() const { return handle_; }

private:
    vthr_mutex *handle_ = nullptr;
};

class condition { // of what the mutex protects, which is locked around its waits
public:
    explicit condition(mutex &m) { check(vthr_condition_new(&handle_, m.handle())); }
    condition(const condition &) = delete;
    condition &operator=(const condition &) = delete;
    ~condition() { vthr_condition_free(handle_); }
    template <class Holds> void wait(Holds holds)
    {
        while (!holds())
            check(vthr_condition_wait(handle_));
    }
    // False: it does not hold, and the time has come.
    template <class Holds> bool wait_until(clock::time_point t, Holds holds)
    {
        while (!holds()) {
            int r = vthr_condition_wait_until(handle_, detail::point(t));
            if (r == ETIMEDOUT)
                return holds();
            check(r);
        }
        return true;
    }
    void notify_one() { vthr_condition_signal(handle_); }
    void notify_all() { vthr_condition_broadcast(handle_); }

private:
    vthr_condition *handle_ = nullptr;
};

// A context local of type T; with static storage.
template <class T> class local {
public:
    T *get() const { return static_cast<T *>(vthr_get(&key_)); }
    void set(T *value) { check(vthr_set(&key_, const_cast<void *>(static_cast<const void *>(value)))); }

private:
    vthr_key key_{};
};

} // namespace vthr
#endif
